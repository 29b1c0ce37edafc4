"""The exact way through an untidy delimited file: bad rows are set aside with their line numbers, good ones kept.

Tidy pieces pass as they are. In the others, where no quotes matter, a row is a line, and the work stays vectorised.
Where they do, the csv module of the standard library is the judge, record by record, and the good records are written
again in one plain form.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reccli.errors import DataError
from reccli.intake.chunks import LONGEST_LINE, line_chunks, open_source
from reccli.intake.scratch import Source, store
from reccli.intake.structure import NEWLINE, QUOTE, Dialect, judge, row_pieces

__all__ = ["MOST_BAD_ROWS", "Mended", "Record", "mend", "records", "shortened", "text_lines"]

MOST_BAD_ROWS = 1_000_000
"""Beyond this many the file is not what it was taken for."""
SHOWN = 200
"""Characters of a bad row that are kept to be shown."""
LONGEST_RECORD = 10_000
"""Lines that one quoted field may span; beyond, its quote was never closed."""
CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\r")


def shortened(text: str) -> str:
    """Cut a text that is too long to be shown."""
    return text if len(text) <= SHOWN else text[:SHOWN] + " ..."


@dataclass
class Mended:
    """What is left of an untidy file.

    Args:
        source: The good rows, as a tidy file without a header.
        line: Line number of each of them.
        bad: Line number, reason and text of the others.
        quoted: Whether the source uses quotes.
    """

    source: Source = b""
    line: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    bad: list[tuple[int, str, str]] = field(default_factory=list)
    quoted: bool = True

    def set_aside(self, line: int, reason: str, text: str, name: str) -> None:
        """Remember a bad row.

        Raises:
            DataError: There are too many of them.
        """
        self.bad.append((line, reason, shortened(text)))
        if len(self.bad) > MOST_BAD_ROWS:
            first, why, _ = self.bad[0]
            raise DataError(
                f"{name}: more than {MOST_BAD_ROWS:,} bad rows, the first in line {first}: {why}",
                hint="does the file have another delimiter? set it with --sep",
            )


def mend(source: Source, dialect: Dialect, *, name: str, start: int, first_line: int, quotes: bool) -> Mended:
    """Set the bad rows of an untidy file aside.

    Args:
        source: The file.
        dialect: How it is written.
        name: The file, for messages.
        start: Byte offset of the first line after the header.
        first_line: Its line number.
        quotes: Whether quotes matter in this file.

    Raises:
        DataError: There is no end to the bad rows, or to one line.
    """
    work = _Work(source, dialect, name, start, first_line, Mended(quoted=quotes))
    work.mended.source = store(_good_records(work) if quotes else _good_lines(work), "mended.csv")
    if work.numbers:
        work.mended.line = np.concatenate(work.numbers)
    return work.mended


@dataclass
class _Work:
    """How far the work on one file has come: the next byte and its line."""

    source: Source
    dialect: Dialect
    name: str
    offset: int
    line: int
    mended: Mended
    numbers: list[npt.NDArray[np.int64]] = field(default_factory=list)

    def set_aside(self, line: int, reason: str, text: str) -> None:
        self.mended.set_aside(line, reason, text, self.name)


def _good_lines(work: _Work) -> Iterator[bytes]:
    dialect = replace(work.dialect, quoted=False)
    for _, raw in line_chunks(work.source, name=work.name, start=work.offset):
        piece = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in raw else raw
        verdict = judge(piece, dialect)
        if verdict.tidy:
            work.numbers.append(np.arange(work.line, work.line + verdict.rows))
            work.line += verdict.rows
            yield piece
        else:
            yield _without_bad_lines(piece, work)


def _without_bad_lines(piece: bytes, work: _Work) -> bytes:
    dialect, a = work.dialect, np.frombuffer(piece, np.uint8)
    ends = np.flatnonzero(a == 10)
    starts = np.concatenate(([0], ends[:-1] + 1))
    fields = np.diff(np.searchsorted(np.flatnonzero(a == dialect.delimiter), ends), prepend=0) + 1
    control = np.isin(a, np.frombuffer(CONTROLS, np.uint8)) & (a != dialect.delimiter)
    controls = np.diff(np.cumsum(control)[ends], prepend=0)
    blank = starts == ends
    bad = ~blank & ((fields != dialect.fields) | (controls > 0))
    for row in np.flatnonzero(bad):
        text = piece[starts[row] : ends[row]]
        work.set_aside(work.line + int(row), _reason(text, int(fields[row]), dialect), _readable(text))
    good = ~(bad | blank)
    work.numbers.append(work.line + np.flatnonzero(good))
    work.line += len(ends)
    return bytes(a[np.repeat(good, ends - starts + 1)].data)


def _reason(text: bytes, fields: int, dialect: Dialect) -> str:
    for place, byte in enumerate(text):
        if byte in CONTROLS and byte != dialect.delimiter:
            what = "a NUL byte" if byte == 0 else f"the control character 0x{byte:02x}"
            return f"{what} at byte {place + 1} of the line"
    return _field_count(fields, dialect.fields)


def _field_count(got: int, expected: int) -> str:
    return f"{got} field{'s' if got > 1 else ''} instead of {expected}"


def _readable(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _good_records(work: _Work) -> Iterator[bytes]:
    """Let tidy pieces pass, and read record by record from where one is not, until it has ended with a record."""
    while True:
        untidy_end = None
        for offset, piece in row_pieces(work.source, work.dialect, name=work.name, start=work.offset):
            # A carriage return inside quotes counts as a line, which the fast way does not.
            lone = piece.count(b"\r") > piece.count(b"\r\n")
            if lone or not judge(piece, work.dialect).tidy:
                untidy_end = offset + len(piece)
                break
            work.numbers.append(_row_lines(piece, work.line))
            work.line += piece.count(b"\n")
            work.offset = offset + len(piece)
            yield piece
        if untidy_end is None:
            return
        before = work.offset
        yield _record_by_record(work, untidy_end)
        if work.offset == before:
            return


def _row_lines(piece: bytes, line: int) -> npt.NDArray[np.int64]:
    """Return the line number of each row of a tidy piece."""
    a = np.frombuffer(piece, np.uint8)
    inside = np.bitwise_xor.accumulate((a == QUOTE).view(np.uint8))
    last = np.flatnonzero(inside[a == NEWLINE] == 0)
    return line + np.concatenate(([0], last[:-1] + 1))


def _record_by_record(work: _Work, end: int) -> bytes:
    delimiter = chr(work.dialect.delimiter)
    text = io.StringIO(newline="")
    # The line end has both characters so that a value with either is quoted; an empty value is not, and stays missing.
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    kept: list[int] = []
    lines = text_lines(work.source, work.offset, work.name)
    for record in records(lines, delimiter, first_line=work.line):
        reason = record.error or _record_fault(record.fields, work.dialect, delimiter)
        if reason:
            work.set_aside(record.line, reason, record.text.rstrip("\r\n"))
        elif record.fields:
            writer.writerow(record.fields)
            kept.append(record.line)
        work.offset += len(record.text.encode())
        work.line = record.line + record.lines
        if work.offset >= end:
            break
    work.numbers.append(np.array(kept, np.int64))
    return text.getvalue().encode()


def _record_fault(row: list[str], dialect: Dialect, delimiter: str) -> str | None:
    if row and len(row) != dialect.fields:
        return _field_count(len(row), dialect.fields)
    for number, value in enumerate(row, 1):
        if not value.isprintable():
            wrong = next((c for c in value if c < " " and c not in "\t\n\r"), None)
            if wrong is not None and wrong != delimiter:
                what = "a NUL byte" if wrong == "\0" else f"the control character 0x{ord(wrong):02x}"
                return f"{what} in field {number}"
    return None


def text_lines(source: Source, start: int, name: str) -> Iterator[str]:
    """Yield lines with their ends, whichever of the three they are."""
    with open_source(source) as file:
        file.seek(start)
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        while line := text.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE:
                raise DataError(f"{name}: a line is longer than {LONGEST_LINE >> 20} MiB")
            yield line


class Record(NamedTuple):
    """One record: number of its first line, fields, text with line ends, number of lines, and what is wrong with it."""

    line: int
    fields: list[str]
    text: str
    lines: int
    error: str | None


def records(lines: Iterable[str], delimiter: str, *, first_line: int = 1) -> Iterator[Record]:
    """Yield records; a blank line is one without fields.

    After a record that cannot be read the next line is tried, so one stray quote costs one line.
    """
    csv.field_size_limit(LONGEST_LINE)
    feed = _Feed(lines)
    while True:
        line = first_line + feed.taken
        feed.begin()
        try:
            row = next(csv.reader(feed, delimiter=delimiter, strict=True))
        except StopIteration:
            return
        except csv.Error as error:
            quote = len(feed.lines) > 1 or "end of data" in str(error)
            feed.give_back_all_but_one()
            yield Record(line, [], feed.lines[0], 1, "a quote is opened and never closed" if quote else _stray(error))
            continue
        yield Record(line, row, "".join(feed.lines), len(feed.lines), None)


def _stray(error: csv.Error) -> str:
    return "text after a closing quote" if "expected after" in str(error) else str(error)


class _Feed:
    """Lines for one record at a time, which can be given back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.source = iter(lines)
        self.waiting: list[str] = []
        self.lines: list[str] = []
        self.taken = 0

    def begin(self) -> None:
        self.lines = []

    def give_back_all_but_one(self) -> None:
        self.waiting += self.lines[:0:-1]
        self.taken -= len(self.lines) - 1

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if len(self.lines) >= LONGEST_RECORD:
            raise csv.Error("unexpected end of data")
        line = self.waiting.pop() if self.waiting else next(self.source)
        self.lines.append(line)
        self.taken += 1
        return line
