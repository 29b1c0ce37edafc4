"""`python -m reccli`."""

from reccli.cli.main import main

if __name__ == "__main__":
    main()
