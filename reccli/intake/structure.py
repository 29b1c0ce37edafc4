"""One fast pass over the bytes of a delimited file, to know whether a fast parser will read it exactly.

The pass is vectorised: within each piece of whole lines the delimiters and newlines outside quotes, taken in order,
must be a strict repetition of one row's pattern. Whatever it does not understand it calls untidy, and a slower, exact
way takes over, so it may err to one side only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from reccli.errors import DataError
from reccli.intake.chunks import LONGEST_LINE, raw_chunks, trimmed_end
from reccli.intake.encodings import check_utf8
from reccli.intake.scratch import Source

__all__ = ["Dialect", "Structure", "examine"]

Bytes = npt.NDArray[np.uint8]
NEWLINE, RETURN, QUOTE = 10, 13, 34


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written.

    Args:
        delimiter: One byte between fields.
        fields: Fields of a row.
        quoted: Whether double quotes enclose fields; if not they are text.
    """

    delimiter: int
    fields: int
    quoted: bool = True


@dataclass
class Structure:
    """What the pass found.

    Args:
        rows: Rows, where the file is tidy.
        tidy: Whether a parser may take the file as it is.
        quotes: Whether any double quote was met (up to the first untidy place).
        multiline: Whether a newline stands inside a quoted field.
        blank_end: Whether blank lines follow the last row.
    """

    rows: int = 0
    tidy: bool = True
    quotes: bool = False
    multiline: bool = False
    blank_end: bool = False


def examine(source: Source, dialect: Dialect, *, name: str, start: int = 0) -> Structure:
    """Pass over the file from `start` on.

    Raises:
        DataError: A byte is not UTF-8, or a line is longer than any line can be.
    """
    end, tail = trimmed_end(source)
    newlines = tail.count(b"\n")
    lone = tail.count(b"\r") > tail.count(b"\r\n")
    found = Structure(tidy=not lone, blank_end=newlines > 1)
    for offset, piece in _pieces(source, found, dialect, name=name, start=start, end=end):
        check_utf8(piece, start=offset, name=name)
        if found.tidy:
            _examine_piece(np.frombuffer(piece, np.uint8), piece, dialect, found)
        elif dialect.quoted and not found.quotes:
            found.quotes = b'"' in piece
    return found


def _pieces(
    source: Source, found: Structure, dialect: Dialect, *, name: str, start: int, end: int
) -> Iterator[tuple[int, bytes]]:
    """Yield whole rows while the file is tidy (a quoted newline does not end one), and whole lines afterwards."""
    held, offset = b"", start
    for chunk in raw_chunks(source, start=start, end=end):
        joined = held + chunk if held else chunk
        cut = joined.rfind(b"\n") + 1
        if cut and found.tidy and dialect.quoted and b'"' in joined:
            cut = _last_row_end(joined) or (0 if len(joined) <= LONGEST_LINE else cut)
        if cut:
            yield offset, joined[:cut]
            offset += cut
            held = joined[cut:]
            continue
        held = joined
        if len(held) > LONGEST_LINE:
            raise DataError(
                f"{name}: the line at byte {offset:,} is longer than {LONGEST_LINE >> 20} MiB",
                hint="is this a text file with one row a line?",
            )
    if held:
        yield offset, held + b"\n"


def _last_row_end(joined: bytes) -> int:
    a = np.frombuffer(joined, np.uint8)
    outside = ~_inside(a == QUOTE)
    ends = np.flatnonzero((a == NEWLINE) & outside)
    return int(ends[-1]) + 1 if len(ends) else 0


def _inside(is_quote: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    parity: npt.NDArray[np.bool_] = np.logical_xor.accumulate(is_quote)
    return parity


def _examine_piece(a: Bytes, piece: bytes, dialect: Dialect, found: Structure) -> None:
    is_newline = a == NEWLINE
    separates = is_newline | (a == dialect.delimiter)
    if dialect.quoted and b'"' in piece:
        found.quotes = True
        is_quote = a == QUOTE
        inside = _inside(is_quote)
        if inside[-1] or not _quotes_enclose(a, is_quote, inside, dialect.delimiter):
            found.tidy = False
            return
        found.multiline = found.multiline or bool((is_newline & inside).any())
        separates &= ~inside
        lone = _lone_returns(a, inside)
    else:
        lone = b"\r" in piece and _lone_returns(a, None)
    order = a.compress(separates)
    rows, rest = divmod(len(order), dialect.fields)
    regular = not rest and np.array_equal(order, _pattern(dialect, rows))
    blank = dialect.fields == 1 and (piece.startswith((b"\n", b"\r")) or b"\n\n" in piece or b"\n\r" in piece)
    if lone or blank or not regular or _has_controls(a, piece, is_newline, dialect.delimiter):
        found.tidy = False
    found.rows += rows


@lru_cache(maxsize=8)
def _repeated(dialect: Dialect, rows: int) -> Bytes:
    return np.tile(np.array([dialect.delimiter] * (dialect.fields - 1) + [NEWLINE], np.uint8), rows)


def _pattern(dialect: Dialect, rows: int) -> Bytes:
    """Return the delimiters and newlines of so many rows; cut from one array, whose length is a power of two."""
    return _repeated(dialect, 1 << max(rows - 1, 0).bit_length())[: rows * dialect.fields]


def _quotes_enclose(a: Bytes, is_quote: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_], delimiter: int) -> bool:
    """Say whether every quote opens a field at its start, closes it at its end, or is one of a pair inside it."""
    at = np.flatnonzero(is_quote)
    opens, closes = at[0::2], at[1::2]
    before = a[opens - 1]
    starts = (opens == 0) | (before == delimiter) | (before == NEWLINE) | (before == QUOTE)
    after = a[closes + 1]  # a piece ends with a newline, so there is always a next byte
    ends = (after == delimiter) | (after == NEWLINE) | (after == RETURN) | (after == QUOTE)
    return bool(starts.all() and ends.all())


def _lone_returns(a: Bytes, inside: npt.NDArray[np.bool_] | None) -> bool:
    at = np.flatnonzero(a == RETURN)
    if inside is not None:
        at = at[~inside[at]]
    return bool((a[at + 1] != NEWLINE).any())


def _has_controls(a: Bytes, piece: bytes, is_newline: npt.NDArray[np.bool_], delimiter: int) -> bool:
    """Say whether there are control characters other than tab, newline, carriage return and the delimiter."""
    low = int(np.count_nonzero(a < 32))
    for byte in {9, RETURN, delimiter}:
        if low and byte < 32 and byte in piece:
            low -= int(np.count_nonzero(a == byte))
    return low > int(np.count_nonzero(is_newline))
