"""The exact way through an untidy delimited file: bad rows are set aside with their line numbers, good ones kept.

Where no quotes matter a row is a line, and the work stays vectorised. Where they do, the csv module of the standard
library is the judge, record by record, and the good records are written again in one plain form.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from reccli.errors import DataError
from reccli.intake.chunks import LONGEST_LINE, line_chunks, open_source
from reccli.intake.scratch import Source, store
from reccli.intake.structure import Dialect

__all__ = ["MOST_BAD_ROWS", "Mended", "mend", "records", "shortened", "text_lines"]

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
    mended = Mended(quoted=quotes)
    numbers: list[npt.NDArray[np.int64]] = []
    if quotes:
        good = _good_records(source, dialect, mended, numbers, name=name, start=start, first_line=first_line)
    else:
        good = _good_lines(source, dialect, mended, numbers, name=name, start=start, first_line=first_line)
    mended.source = store(good, "mended.csv")
    if numbers:
        mended.line = np.concatenate(numbers)
    return mended


def _good_lines(
    source: Source,
    dialect: Dialect,
    mended: Mended,
    numbers: list[npt.NDArray[np.int64]],
    *,
    name: str,
    start: int,
    first_line: int,
) -> Iterator[bytes]:
    line = first_line
    for _, raw in line_chunks(source, name=name, start=start):
        piece = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in raw else raw
        a = np.frombuffer(piece, np.uint8)
        ends = np.flatnonzero(a == 10)
        fields = np.diff(np.searchsorted(np.flatnonzero(a == dialect.delimiter), ends), prepend=0) + 1
        starts = np.concatenate(([0], ends[:-1] + 1))
        control = np.isin(a, np.frombuffer(CONTROLS, np.uint8)) & (a != dialect.delimiter)
        controls = np.diff(np.concatenate(([0], np.cumsum(control)[ends])))
        blank = starts == ends
        bad = ~blank & ((fields != dialect.fields) | (controls > 0))
        for row in np.flatnonzero(bad):
            text = piece[starts[row] : ends[row]]
            mended.set_aside(line + int(row), _reason(text, int(fields[row]), dialect), _readable(text), name)
        good = ~(bad | blank)
        numbers.append(line + np.flatnonzero(good))
        line += len(ends)
        if good.all():
            yield piece
        else:
            yield a[np.repeat(good, ends - starts + 1)].tobytes()


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


def _good_records(
    source: Source,
    dialect: Dialect,
    mended: Mended,
    numbers: list[npt.NDArray[np.int64]],
    *,
    name: str,
    start: int,
    first_line: int,
) -> Iterator[bytes]:
    delimiter = chr(dialect.delimiter)
    text = io.StringIO(newline="")
    # The line end has both characters so that a value with either is quoted; an empty value is not, and stays missing.
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    kept: list[int] = []
    for line, row, raw, error in records(text_lines(source, start, name), delimiter, first_line=first_line):
        reason = error or _record_fault(row, dialect, delimiter)
        if reason:
            mended.set_aside(line, reason, raw, name)
        elif row:
            writer.writerow(row)
            kept.append(line)
        if text.tell() > 1 << 20:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()
    numbers.append(np.array(kept, np.int64))


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


def records(
    lines: Iterable[str], delimiter: str, *, first_line: int = 1
) -> Iterator[tuple[int, list[str], str, str | None]]:
    """Yield line number, fields, raw text and what is wrong, record by record; a blank line is a record without fields.

    After a record that cannot be read the next line is tried, so one stray quote costs one line.
    """
    csv.field_size_limit(LONGEST_LINE)
    feed = _Feed(lines)
    while True:
        first = first_line + feed.taken
        feed.begin()
        try:
            row = next(csv.reader(feed, delimiter=delimiter, strict=True))
        except StopIteration:
            return
        except csv.Error as error:
            raw = feed.lines[0].rstrip("\r\n")
            quote = len(feed.lines) > 1 or "end of data" in str(error)
            feed.give_back_all_but_one()
            yield first, [], raw, "a quote is opened and never closed" if quote else _stray(error)
            continue
        yield first, row, "".join(feed.lines).rstrip("\r\n"), None


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
