"""The command `reccli`, also as `python -m reccli`."""

from __future__ import annotations

import contextlib
import os
import sys

from reccli.cli import signals
from reccli.errors import Interrupted

__all__ = ["main"]

STOPPED = (129, 130, 143)


def main() -> None:
    """Take over the signals before anything slow is imported, run the command line, and exit.

    What was stopped leaves at once: a library whose import was cut short may crash when the interpreter is taken down.
    """
    signals.install()
    try:
        from reccli.cli.main import main as run

        run()
    except Interrupted as stop:  # while the command line itself was imported
        sys.stderr.write(f"error: {stop.message}\n")
        code = stop.exit_code
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
    if code in STOPPED:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
