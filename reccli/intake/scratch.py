"""A place for big intermediate files, and bytes in memory where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

__all__ = ["Source", "scratch_folder", "store"]

Source = Path | bytes
"""Something that can be scanned more than once: a file, or its content."""

_folder: ContextVar[Path | None] = ContextVar("scratch", default=None)


@contextmanager
def scratch_folder(folder: Path | None) -> Iterator[None]:
    """Let `store` write into this folder while the context lasts; without a folder it keeps bytes in memory."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


def store(chunks: Iterable[bytes], name: str) -> Source:
    """Keep a stream of bytes: in a new file of the scratch folder, or in memory where there is no such folder."""
    folder = _folder.get()
    if folder is None:
        return b"".join(chunks)
    folder = folder / "text"
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    while (target := folder / f"{number}-{name}").exists():
        number += 1
    with target.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
    return target
