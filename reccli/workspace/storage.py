"""Writes that last, and one error for the many shapes in which a disk fails."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from reccli.errors import StorageError

__all__ = ["storage_errors", "sync_file", "sync_folder", "write_synced"]


@contextlib.contextmanager
def storage_errors(place: Path) -> Iterator[None]:
    """Turn the many shapes in which libraries report a failing disk into one `StorageError` with the place."""
    try:
        yield
    except Exception as error:
        reason = _storage_reason(error, place)
        if reason is None:
            raise
        raise StorageError(
            f"{reason}: {place}", hint="free space or fix the permission, then run the command again"
        ) from error


def _storage_reason(error: BaseException, place: Path) -> str | None:
    code = getattr(error, "errno", None)
    found = re.search(r"os error (\d+)", str(error))
    if code is None and found:
        code = int(found.group(1))
    if code is not None and isinstance(code, int):
        return f"{os.strerror(code)}"
    writes = (
        "requested and",
        "unexpected pos",
        "write error",
    )  # numpy, torch and faiss say no more than this
    parent = next((p for p in (place, *place.parents) if p.exists()), Path("/"))
    if any(text in str(error) for text in writes) and shutil.disk_usage(parent).free < 1 << 20:
        return "No space left on device"
    return None


def write_synced(path: Path, text: str) -> None:
    """Write a text file, and wait until the disk has it."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sync_file(path: Path) -> None:
    """Wait until the disk has a file that was written."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the disk has a folder's list of names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
