"""Text encodings: found by their mark, checked byte by byte, and turned into UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from reccli.errors import ConfigError, DataError

__all__ = ["MARKS", "check_utf8", "decoded", "find_encoding", "is_utf8", "known_encoding", "unified_newlines"]

# The 32-bit marks begin with the 16-bit ones and are asked for first.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
HINT = "name the encoding: --encoding latin-1 (or cp1252, shift_jis, gb18030, ...)"


def known_encoding(name: str) -> str:
    """Return an encoding's usual name.

    Raises:
        ConfigError: Python knows no text encoding of that name.
    """
    try:
        found = codecs.lookup(name).name.replace("iso8859-1", "latin-1")
        "a".encode(found)
    except (LookupError, TypeError, ValueError) as error:
        raise ConfigError(
            f"encoding={name!r}: no such text encoding", hint="as in utf-8, utf-16, latin-1, cp1252, shift_jis"
        ) from error
    return found


def find_encoding(head: bytes) -> str:
    """Find the encoding from the mark at the start, or from the zero bytes of UTF-16; UTF-8 without either."""
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    start = head[: len(head) // 2 * 2][:4096]
    if len(start) >= 8:
        even, odd = start[0::2].count(0) * 2 / len(start), start[1::2].count(0) * 2 / len(start)
        if odd > 0.8 and even < 0.1:
            return "utf-16-le"
        if even > 0.8 and odd < 0.1:
            return "utf-16-be"
    return "utf-8"


def is_utf8(name: str) -> bool:
    """Say whether the bytes can be read as they are."""
    return name.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii")


def check_utf8(chunk: bytes, *, start: int, name: str) -> None:
    """Check bytes that hold whole characters.

    Args:
        chunk: The bytes.
        start: Their place in the file.
        name: The file, for the message.

    Raises:
        DataError: A byte is not UTF-8; the message has its offset.
    """
    if chunk.isascii():
        return
    try:
        chunk.decode()
    except UnicodeDecodeError as error:
        at = start + error.start
        raise DataError(f"{name}: byte {at:,} (0x{chunk[error.start]:02x}) is not UTF-8", hint=HINT) from error


def decoded(chunks: Iterable[bytes], encoding: str, *, name: str) -> Iterator[bytes]:
    """Turn a stream of some encoding into UTF-8, without a mark.

    Raises:
        DataError: A byte does not belong to the encoding; the message has its offset.
    """
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    offset, first = 0, True
    for chunk, final in _with_last(chunks):
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final)
            if first and text:
                text, first = text.removeprefix("\ufeff"), False
            yield text.encode()
        except UnicodeDecodeError as error:
            at = offset - pending + error.start
            raise DataError(f"{name}: byte {at:,} is not {encoding}: {error.reason}", hint=HINT) from error
        except UnicodeEncodeError as error:
            raise DataError(f"{name}: half a surrogate pair near byte {offset:,}", hint=HINT) from error
        except UnicodeError as error:
            raise DataError(f"{name}: not {encoding}: {error}", hint=HINT) from error
        offset += len(chunk)


def _with_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    for chunk in chunks:
        yield chunk, False
    yield b"", True


def unified_newlines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    r"""Turn every `\r\n` and lone `\r` into `\n`."""
    held = b""
    for chunk in chunks:
        joined = held + chunk
        held = b"\r" if joined.endswith(b"\r") else b""
        yield joined[: len(joined) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if held:
        yield b"\n"
