"""Sources as streams of bytes, cut at newlines."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from reccli.errors import DataError
from reccli.intake.scratch import Source

__all__ = ["CHUNK", "LONGEST_LINE", "head_of", "line_chunks", "open_source", "raw_chunks", "size_of", "trimmed_end"]

CHUNK = 1 << 20
"""Bytes read at once: small enough that several passes over a chunk stay in the processor's cache."""
LONGEST_LINE = 16 << 20
"""Bytes of the longest line or record that is believed to be one."""


def open_source(source: Source) -> BinaryIO:
    """Open a source for reading from its start."""
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def size_of(source: Source) -> int:
    """Return the number of bytes."""
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def head_of(source: Source, size: int = 1 << 16) -> bytes:
    """Return the first bytes."""
    with open_source(source) as file:
        return file.read(size)


def raw_chunks(source: Source, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Yield the bytes from `start` to `end`."""
    with open_source(source) as file:
        file.seek(start)
        left = None if end is None else end - start
        while left is None or left > 0:
            chunk = file.read(CHUNK if left is None else min(CHUNK, left))
            if not chunk:
                return
            left = None if left is None else left - len(chunk)
            yield chunk


def line_chunks(source: Source, *, name: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield whole lines, many at a time, with their byte offset; the last line gets the newline that it lacks.

    Raises:
        DataError: A line is longer than any line can be.
    """
    held, offset = b"", start
    for chunk in raw_chunks(source, start=start, end=end):
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            held += chunk
            if len(held) > LONGEST_LINE:
                raise DataError(
                    f"{name}: the line at byte {offset:,} is longer than {LONGEST_LINE >> 20} MiB",
                    hint="is this a text file with one row a line?",
                )
            continue
        whole = held + chunk[:cut]
        yield offset, whole
        offset += len(whole)
        held = chunk[cut:]
    if held:
        yield offset, held + b"\n"


def trimmed_end(source: Source) -> tuple[int, bytes]:
    """Find where the last line with content ends, and return what follows it: newlines, or the first MiB of them."""
    end = size_of(source)
    with open_source(source) as file:
        while end:
            start = max(0, end - CHUNK)
            file.seek(start)
            kept = file.read(end - start).rstrip(b"\r\n")
            end = start + len(kept)
            if kept:
                break
        file.seek(end)
        return end, file.read(1 << 20)
