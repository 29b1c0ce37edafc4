"""One fast pass over the bytes of a delimited file, to know whether a fast parser will read it exactly.

The pass is vectorised: within each piece of whole rows the delimiters and newlines outside quotes, taken in order, must
be a strict repetition of one row's pattern. Whatever it does not understand it calls untidy, and a slower, exact way
takes over, so it may err to one side only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from reccli.errors import DataError
from reccli.intake.chunks import LONGEST_LINE, line_chunks, raw_chunks, trimmed_end
from reccli.intake.encodings import check_utf8
from reccli.intake.scratch import Source

__all__ = ["Dialect", "Structure", "Verdict", "examine", "judge", "row_pieces"]

Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
NEWLINE, RETURN, QUOTE = 10, 13, 34
LONGEST_ROW = LONGEST_LINE // 4
"""Bytes after which the end of a quoted row is no longer waited for; the exact way finds it, or that there is none."""


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


@dataclass(frozen=True)
class Verdict:
    """What a piece of a file is like.

    Args:
        tidy: Whether a parser may take the piece as it is.
        rows: Its rows, where it is tidy.
        multiline: Whether a newline stands inside a quoted field.
    """

    tidy: bool
    rows: int = 0
    multiline: bool = False


UNTIDY = Verdict(tidy=False)


@dataclass
class Structure:
    """What a whole file is like.

    Args:
        rows: Rows, where the file is tidy.
        tidy: Whether a parser may take the file as it is.
        quotes: Whether there are quotes that matter.
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
    lone = tail.count(b"\r") > tail.count(b"\r\n")
    found = Structure(tidy=not lone, blank_end=tail.count(b"\n") > 1)
    if found.tidy:
        for offset, piece in row_pieces(source, dialect, name=name, start=start, end=end):
            check_utf8(piece, start=offset, name=name)
            verdict = judge(piece, dialect)
            found.quotes = found.quotes or (dialect.quoted and b'"' in piece)
            found.rows += verdict.rows
            found.multiline = found.multiline or verdict.multiline
            if not verdict.tidy:
                found.tidy, start = False, offset
                break
    if not found.tidy:
        for offset, piece in line_chunks(source, name=name, start=start, end=end):
            check_utf8(piece, start=offset, name=name)
            found.quotes = found.quotes or (dialect.quoted and b'"' in piece)
    return found


def row_pieces(
    source: Source, dialect: Dialect, *, name: str, start: int = 0, end: int | None = None
) -> Iterator[tuple[int, bytes]]:
    """Yield whole rows, many at a time, with their byte offset; the last row gets the newline that it lacks.

    Rows end where the number of quotes before them is even, which holds as long as every piece so far was tidy.

    Raises:
        DataError: A line is longer than any line can be.
    """
    held, offset = b"", start
    for chunk in raw_chunks(source, start=start, end=end):
        joined = held + chunk if held else chunk
        cut = joined.rfind(b"\n") + 1
        if cut and dialect.quoted and b'"' in joined:
            cut = _last_row_end(joined, cut) or (cut if len(joined) > LONGEST_ROW else 0)
        if cut:
            yield offset, joined[:cut]
            offset += cut
        elif len(joined) > LONGEST_LINE:
            raise DataError(
                f"{name}: the line at byte {offset:,} is longer than {LONGEST_LINE >> 20} MiB",
                hint="is this a text file with one row a line?",
            )
        held = joined[cut:]
    if held:
        yield offset, held + b"\n"


def _last_row_end(joined: bytes, cut: int) -> int:
    a = np.frombuffer(joined, np.uint8)
    is_quote = a == QUOTE
    if np.count_nonzero(is_quote[:cut]) % 2 == 0:
        return cut
    outside = np.bitwise_xor.accumulate(is_quote.view(np.uint8)) == 0
    ends = np.flatnonzero((a == NEWLINE) & outside)
    return int(ends[-1]) + 1 if len(ends) else 0


def judge(piece: bytes, dialect: Dialect) -> Verdict:
    """Judge a piece that begins at the start of a row and ends with a newline."""
    a = np.frombuffer(piece, np.uint8)
    is_newline = a == NEWLINE
    special = is_newline | (a == dialect.delimiter)
    quoted = dialect.quoted and b'"' in piece
    if not quoted:
        order, multiline = a.compress(special), False
    else:
        is_quote = a == QUOTE
        # Only the bytes that matter take part in the parity of quotes: there are few of them.
        matter = a.compress(special | is_quote)
        at_quote = matter == QUOTE
        inside = np.bitwise_xor.accumulate(at_quote.view(np.uint8)) == 1
        if inside[-1] or not _quotes_enclose(a, is_quote, dialect.delimiter):
            return UNTIDY
        multiline = bool((inside & (matter == NEWLINE)).any())
        order = matter.compress(~(inside | at_quote))
    rows, rest = divmod(len(order), dialect.fields)
    blank = dialect.fields == 1 and (piece.startswith((b"\n", b"\r")) or b"\n\n" in piece or b"\n\r" in piece)
    if rest or blank or not np.array_equal(order, _pattern(dialect, rows)):
        return UNTIDY
    if _has_controls(a, piece, is_newline, dialect.delimiter):
        return UNTIDY
    if b"\r" in piece:
        lone = _lone_returns(a)
        if len(lone) and not (quoted and _all_inside(a, lone)):
            return UNTIDY
        multiline = multiline or len(lone) > 0
    return Verdict(True, rows, multiline)


@lru_cache(maxsize=8)
def _repeated(dialect: Dialect, rows: int) -> Bytes:
    return np.tile(np.array([dialect.delimiter] * (dialect.fields - 1) + [NEWLINE], np.uint8), rows)


def _pattern(dialect: Dialect, rows: int) -> Bytes:
    """Return the delimiters and newlines of so many rows; cut from one array, whose length is a power of two."""
    return _repeated(dialect, 1 << max(rows - 1, 0).bit_length())[: rows * dialect.fields]


def _quotes_enclose(a: Bytes, is_quote: Bools, delimiter: int) -> bool:
    """Say whether every quote opens a field at its start, closes it at its end, or is one of a pair inside it."""
    at = np.flatnonzero(is_quote)
    opens, closes = at[0::2], at[1::2]
    before = a[opens - 1]
    starts = (opens == 0) | (before == delimiter) | (before == NEWLINE) | (before == QUOTE)
    after = a[closes + 1]  # a piece ends with a newline, so there is always a next byte
    ends = (after == delimiter) | (after == NEWLINE) | (after == RETURN) | (after == QUOTE)
    return bool(starts.all() and ends.all())


def _lone_returns(a: Bytes) -> npt.NDArray[np.int64]:
    at = np.flatnonzero(a == RETURN)
    return at.compress(a[at + 1] != NEWLINE)


def _all_inside(a: Bytes, at: npt.NDArray[np.int64]) -> bool:
    return bool((np.bitwise_xor.accumulate((a == QUOTE).view(np.uint8))[at] == 1).all())


def _has_controls(a: Bytes, piece: bytes, is_newline: Bools, delimiter: int) -> bool:
    """Say whether there are control characters other than tab, newline, carriage return and the delimiter."""
    low = int(np.count_nonzero(a < 32))
    for byte in {9, RETURN, delimiter}:
        if byte < 32 and byte in piece:
            low -= int(np.count_nonzero(a == byte))
    return low > int(np.count_nonzero(is_newline))
