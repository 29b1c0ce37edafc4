"""From whatever was named on the command line to a plain file: pipes are spooled, compressed files unpacked."""

from __future__ import annotations

import atexit
import difflib
import gzip
import re
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO

from reccli.errors import DataError, OfflineError
from reccli.intake.chunks import CHUNK

__all__ = ["default_scratch", "plain_file"]

ALWAYS_ALLOWED = 256 << 20
"""Unpacked bytes that need no justification."""
MOST_TIMES = 200
"""Beyond that, a file that unpacks to more than so many times its size is a bomb (text packs 3 to 15 times)."""
REFUSED = {
    b"PK\x03\x04": ("a zip archive", "unzip it and name the file you mean"),
    b"BZh": ("packed with bzip2", "bunzip2 it, or pack it with gzip or zstd"),
    b"\xfd7zXZ\x00": ("packed with xz", "unxz it, or pack it with gzip or zstd"),
    b"\x1f\x9d": ("packed with compress", "uncompress it, or pack it with gzip or zstd"),
}
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@cache
def default_scratch() -> Path:
    """Return a folder for intermediate files that is removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="reccli-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def plain_file(path: Path, scratch: Path) -> Path:
    """Return a regular file (or folder) with the content that `path` names, unpacked.

    Args:
        path: A file, folder, `-` for standard input, or a pipe.
        scratch: Folder for what has to be copied.

    Raises:
        OfflineError: It is an address on the network.
        DataError: There is nothing there, or it cannot be unpacked.
    """
    text = str(path)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", text):
        address = re.sub(r":/+", "://", text, count=1)  # a path has lost one of the slashes
        raise OfflineError(
            f"{address}: input from the network is not read", hint="download it first, and give the file"
        )
    if text == "-":
        return _unpacked(_copy(sys.stdin.buffer, scratch, "stdin"), scratch)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(path) from error
    except (ValueError, OSError) as error:
        raise DataError(f"{text!r}: cannot be opened: {error}", hint="check the path") from error
    if stat.S_ISDIR(mode):
        return path
    if stat.S_ISREG(mode):
        return _unpacked(path, scratch)
    if stat.S_ISSOCK(mode) or stat.S_ISBLK(mode):
        raise DataError(f"{text}: neither a file, a folder nor a pipe", hint="give a file")
    with path.open("rb") as stream:
        return _unpacked(_copy(stream, scratch, path.name), scratch)


def _missing(path: Path) -> DataError:
    folder = path.parent
    there = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, there, n=1, cutoff=0.6)
    guess = f"; did you mean '{folder / near[0]}'?" if near else ""
    glob = any(c in path.name for c in "*?[")
    return DataError(
        f"{path}: no such file or folder{guess}",
        hint="no file matches the pattern" if glob else "check the path; relative ones start at the current folder",
    )


def _copy(stream: BinaryIO, scratch: Path, name: str) -> Path:
    # In the folder itself, where nothing else lies: the copy is the input, whose fingerprint a stage takes.
    scratch.mkdir(parents=True, exist_ok=True)
    target, number = scratch / name, 0
    while target.exists():
        number += 1
        target = scratch / f"{number}-{name}"
    with target.open("xb") as file:
        shutil.copyfileobj(stream, file, CHUNK)
    return target


def _fresh(scratch: Path, name: str) -> Path:
    number = 0
    while (folder := scratch / f"plain-{number}").exists():
        number += 1
    folder.mkdir(parents=True)
    return folder / name


def _unpacked(path: Path, scratch: Path) -> Path:
    with path.open("rb") as file:
        head = file.read(8)
    for magic, (what, hint) in REFUSED.items():
        if head.startswith(magic):
            raise DataError(f"{path.name}: {what}, which is not read", hint=hint)
    if not head.startswith((GZIP, ZSTD)):
        return path
    name = re.sub(r"\.(gz|gzip|zst|zstd)$", "", path.name, flags=re.IGNORECASE) or "unpacked"
    target = _fresh(scratch, name)
    most = max(ALWAYS_ALLOWED, MOST_TIMES * path.stat().st_size)
    total = 0
    with target.open("xb") as out:
        for chunk in _unpack(path, zstd=head.startswith(ZSTD)):
            total += len(chunk)
            if total > most:
                out.close()
                target.unlink()
                raise DataError(
                    f"{path.name}: unpacks to more than {most >> 20:,} MiB, {MOST_TIMES} times its size",
                    hint="if this is meant, unpack it yourself and give the unpacked file",
                )
            out.write(chunk)
    return target


def _unpack(path: Path, *, zstd: bool) -> Iterator[bytes]:
    try:
        with _zstd(path) if zstd else gzip.open(path, "rb") as stream:
            while chunk := stream.read(CHUNK):
                yield bytes(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path.name}: damaged or cut off: {error}", hint="fetch or pack the file again") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise DataError(f"{path.name}: damaged or cut off: {error}", hint="fetch or pack the file again") from error


def _zstd(path: Path) -> BinaryIO:
    import pyarrow

    stream: BinaryIO = pyarrow.CompressedInputStream(pyarrow.OSFile(str(path), "rb"), "zstd")
    return stream
