"""Named places where a test can make the process die, fail or wait.

Inactive, and one dictionary look-up, unless the environment variable `RECCLI_FAILPOINTS` is set, as in
`RECCLI_FAILPOINTS='commit.before_rename=kill'`. Actions: `kill` (SIGKILL), `exit`, `sleep:SECONDS`, `sigterm`,
`sigint`, `raise:ENOSPC` (or another errno name). `name#3=kill` acts on the third hit only. `trace=FILE` appends
every name hit to FILE.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections import Counter

__all__ = ["hit"]

_hits: Counter[str] = Counter()


def hit(name: str) -> None:
    """Pass a named place; act if the environment says so."""
    plan = os.environ.get("RECCLI_FAILPOINTS")
    if not plan:
        return
    _hits[name] += 1
    for rule in plan.split(","):
        key, _, action = rule.partition("=")
        if key == "trace":
            with open(action, "a", encoding="utf-8") as file:
                file.write(f"{name}\n")
        elif key in (name, f"{name}#{_hits[name]}"):
            _act(action, name)


def _act(action: str, name: str) -> None:
    verb, _, argument = action.partition(":")
    if verb == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif verb == "exit":
        os._exit(70)
    elif verb == "sleep":
        time.sleep(float(argument))
    elif verb in ("sigterm", "sigint"):
        os.kill(os.getpid(), signal.SIGTERM if verb == "sigterm" else signal.SIGINT)
    elif verb == "raise":
        raise OSError(getattr(errno, argument), os.strerror(getattr(errno, argument)), name)
