"""The lock of a workspace: one writer at a time, and who that is."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from reccli.errors import LockedError
from reccli.workspace.storage import storage_errors

__all__ = ["held"]


@contextlib.contextmanager
def held(place: Path, folder: Path, *, timeout: float = 0.0) -> Iterator[None]:
    """Hold the lock.

    Args:
        place: The workspace, for messages.
        folder: Where the lock is, and beside it who holds it (information only, never trusted).
        timeout: Seconds to wait for another run.

    Raises:
        LockedError: Another run holds it for longer than that.
    """
    from filelock import FileLock, Timeout

    lock, holder = FileLock(folder / "lock"), folder / "holder.json"
    try:
        with storage_errors(place):
            lock.acquire(timeout=timeout)
    except Timeout:
        raise LockedError(
            f"workspace {place} is in use by {_told(holder)}",
            hint="wait, or give --lock-timeout SECONDS",
        ) from None
    try:
        with storage_errors(place):
            holder.write_text(json.dumps(_ourselves()), encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _ourselves() -> dict[str, object]:
    started = datetime.now(UTC).isoformat(timespec="microseconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "command": sys.argv[1:2], "started": started}


def _told(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        command = " ".join(["reccli", *holder["command"]])
        return f"'{command}' (pid {holder['pid']} on {holder['host']}, since {holder['started']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another run"
