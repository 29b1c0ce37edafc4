"""The file that a search is kept in: one line a step, appended by any number of processes, read by all of them."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from filelock import FileLock, Timeout
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from reccli.errors import LockedError
from reccli.workspace import storage_errors

__all__ = ["Guard", "Workers", "open_journal"]

PATIENCE = 60.0  # what is done under the locks takes moments


class Guard:
    """The lock of a journal, which also mends it: a process that was killed while it wrote leaves half a line.

    It is an flock, as that of the workspace: the kernel frees it when its process dies, at once, so that none is ever
    taken by force. What was half written was never told to anyone as done, and is cut off.

    Args:
        journal: The file.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._lock = FileLock(f"{journal}.lock")

    def acquire(self) -> bool:
        """Wait for the lock, and cut half a line off.

        Raises:
            LockedError: It is held for a minute.
        """
        try:
            self._lock.acquire(timeout=PATIENCE)
        except Timeout:
            raise LockedError(f"{self._journal} is held by another process") from None
        self._mend()
        return True

    def release(self) -> None:
        """Let the next one write."""
        self._lock.release()

    def _mend(self) -> None:
        with self._journal.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            end = size
            while end:
                begin = max(0, end - 4096)
                file.seek(begin)
                newline = file.read(end - begin).rfind(b"\n")
                if newline >= 0:
                    end = begin + newline + 1
                    break
                end = begin
            if end < size:
                file.truncate(end)


def open_journal(path: Path) -> JournalStorage:
    """Open a journal, a new one where there is none; plain JSON lines.

    Raises:
        StorageError: The file system refuses.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    guard = Guard(path)
    guard.acquire()  # half a line of a killed process is cut off before the first look
    guard.release()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=cast(Any, guard)))


class Workers:
    """Which processes work on a search: each holds a lock of its own for as long as it lives.

    Call all but `close` while `alone` is held.

    Args:
        folder: Folder of the search.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: FileLock | None = None
        self.name = uuid.uuid4().hex
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._alone = FileLock(folder / "alone.lock")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the other processes of the search waiting for a moment.

        Raises:
            LockedError: Another one keeps this one waiting for a minute.
        """
        try:
            with storage_errors(self._folder):
                self._alone.acquire(timeout=PATIENCE)
        except Timeout:
            raise LockedError(f"search {self._folder} is held by another process") from None
        try:
            yield
        finally:
            self._alone.release()

    def enter(self) -> None:
        """Begin to count as one of them."""
        self._own = FileLock(self._path(self.name))
        with storage_errors(self._folder):
            self._own.acquire(timeout=0)

    def lives(self, name: str | None) -> bool:
        """Whether a process is still at work."""
        if name is None:
            return False
        if name == self.name:
            return self._own is not None
        path = self._path(name)
        if not path.is_file():
            return False
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        path.unlink(missing_ok=True)
        return False

    def others(self) -> int:
        """How many other processes are at work."""
        found = [path.stem for path in self._folder.glob("worker-*.lock")]
        names = [name.removeprefix("worker-") for name in found]
        return sum(self.lives(name) for name in names if name != self.name)

    def sweep(self, drafts: Path) -> None:
        """Delete what processes that are no more had at work, each in a folder of its name."""
        for path in drafts.iterdir() if drafts.is_dir() else ():
            if not path.is_symlink() and not self.lives(path.name):
                shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Count no longer as one of them."""
        if self._own is not None:
            self._own.release()
            self._own = None
            self._path(self.name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"worker-{name}.lock"
