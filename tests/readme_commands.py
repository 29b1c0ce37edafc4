"""Run the two commands of the README, word for word, in a fresh clone and a fresh virtual environment.

The first command (the five stages on real data) runs in full; the second (the tests) with `--collect-only`, because
the tests themselves run elsewhere. The clone has nothing beside it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def commands(readme: str) -> list[str]:
    """Return the two commands: the fenced blocks after the lines `Try it:` and `Test it:`."""
    found = re.findall(r"(?:Try it|Test it):\n+```(?:bash|sh|console)\n(.+?)\n```", readme, flags=re.DOTALL)
    if len(found) != 2 or any("\n" in command for command in found):
        raise SystemExit(f"README.md must have one command after 'Try it:' and one after 'Test it:', found {found}")
    return found


def main() -> int:
    """Clone, run, check what was printed."""
    with tempfile.TemporaryDirectory(prefix="reccli-readme-") as folder:
        clone = Path(folder) / "alone" / "reccli"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("RECCLI_", "VIRTUAL_ENV", "PYTHON"))}
        try_it, test_it = commands((clone / "README.md").read_text(encoding="utf-8"))
        for command in (try_it, f"{test_it} --collect-only -q"):
            print(f"$ {command}", flush=True)
            done = subprocess.run(
                ["bash", "-c", command], cwd=clone, env=environment, stdout=subprocess.PIPE, text=True, check=False
            )
            print(done.stdout[-6000:], flush=True)
            if done.returncode != 0:
                print(f"exit {done.returncode}: {command}")
                return 1
            if command == try_it and "because of" not in done.stdout:
                print("the quickstart printed no explained recommendation")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
