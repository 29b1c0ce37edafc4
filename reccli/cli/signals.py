"""Signals: the first one stops a run cleanly, the second at once.

A stage that asks `requested` between its steps is left to stop by itself, with its work saved. Elsewhere the first
signal raises `Interrupted` where the program stands; committed versions are safe by construction.
"""

from __future__ import annotations

import atexit
import os
import signal
import time
from types import FrameType

from reccli.errors import Interrupted

__all__ = ["install", "requested"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _State:
    signal_number: int | None = None
    last_poll: float = -1e9
    interval: float = 0.0
    seen: bool = False


def install() -> None:
    """Take over SIGINT, SIGTERM and SIGHUP (one that is ignored, as in `nohup`, stays so)."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)
    atexit.register(_disarm)  # at exit Python gives signals back their defaults, and that of the timer kills


def requested() -> int | None:
    """Return the signal that asked to stop, or None; asking marks the caller as one that stops by itself."""
    now = time.monotonic()
    _State.interval = min(now - _State.last_poll, 60.0)
    _State.last_poll = now
    _State.seen = _State.signal_number is not None
    if _State.seen:
        _disarm()
    return _State.signal_number


def _handle(number: int, frame: FrameType | None) -> None:
    if _State.signal_number is not None:
        os._exit(128 + number)
    _State.signal_number = number
    patience = max(1.0, 3 * _State.interval)
    if time.monotonic() - _State.last_poll > patience:
        raise Interrupted(number)
    # It polled a moment ago and should see the request; if it has left its loop meanwhile, stop it where it stands.
    signal.signal(signal.SIGALRM, _expire)
    signal.setitimer(signal.ITIMER_REAL, patience)


def _expire(number: int, frame: FrameType | None) -> None:
    if _State.signal_number is not None and not _State.seen:
        raise Interrupted(_State.signal_number)


def _disarm() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
