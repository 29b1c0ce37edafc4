"""Delimited text as a lazy table of strings: nothing guessed about values, nothing lost without a word."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reccli.api import Table
from reccli.errors import DataError
from reccli.intake.chunks import LONGEST_LINE, head_of, line_chunks, raw_chunks
from reccli.intake.encodings import MARKS, check_utf8, decoded, find_encoding, is_utf8, known_encoding, unified_newlines
from reccli.intake.mending import Mended, mend
from reccli.intake.scratch import Source, store
from reccli.intake.sniffing import looks_like_data, named_delimiter, shown_delimiter, sniff_delimiter
from reccli.intake.structure import Dialect, examine

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

__all__ = ["Layout", "NoNamesError", "TextTable", "as_utf8", "open_delimited"]

MOST_COLUMNS = 10_000
UNIT_SEPARATOR = "\x1f"
"""Stands in for a delimiter of several characters."""


class NoNamesError(DataError):
    """The first row is data where names were expected."""


@dataclass(frozen=True)
class TextTable(Table):
    """A table that knows the line of each row.

    Args:
        source: The text that the rows were read from, in UTF-8.
        start: Byte offset of the first row in it, after the header.
        lines: Line number of each row; without it row r is in line `first_line + r` unless rows span lines.
        multiline: Whether rows span lines.
        delimiter: Between fields, as it stands in `source`.
        rows: Rows of `frame`.
    """

    source: Source = b""
    start: int = 0
    lines: npt.NDArray[np.int64] | None = None
    multiline: bool = False
    delimiter: str = ","
    rows: int = 0


@dataclass(frozen=True)
class Layout:
    """What is known about a delimited format before the file is opened.

    Args:
        format: Name of the format, for people.
        names: Column names of a format without a header line.
        quoted: Whether double quotes enclose fields.
        encoding: Encoding that the format prescribes.
        roles: Columns of roles that the format fixes.
    """

    format: str = "csv"
    names: Sequence[str] | None = None
    quoted: bool = True
    encoding: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)


def as_utf8(path: Path, encoding: str | None, *, newlines: bool = True) -> tuple[Source, str]:
    r"""Return the content in UTF-8, as the file itself where it is so already, and the encoding found.

    Args:
        path: The file.
        encoding: As set by the user, or None to find it.
        newlines: Whether a file with no newline but `\r` gets usual ones.

    Raises:
        ConfigError: The encoding is unknown.
        DataError: The content is not in that encoding.
    """
    head = head_of(path)
    found = known_encoding(encoding) if encoding else find_encoding(head)
    source: Source = path
    if not is_utf8(found):
        source = store(decoded(raw_chunks(path), found, name=path.name), path.name)
        head = head_of(source)
    if newlines and b"\r" in head[:-1] and b"\n" not in head:
        source = store(unified_newlines(raw_chunks(source)), path.name)
    return source, "utf-8" if is_utf8(found) else found


def open_delimited(
    path: Path, layout: Layout, *, delimiter: str | None, encoding: str | None, header: bool | None
) -> TextTable:
    """Open a delimited file.

    Args:
        path: The file.
        layout: What is known of the format.
        delimiter: As set by the user or the format, or None to find it.
        encoding: As set by the user, or None to find it.
        header: Whether the first row holds names, or None to find out.

    Raises:
        ConfigError: A setting is not possible.
        DataError: The file cannot be read so.
    """
    source, encoding_found = as_utf8(path, encoding or layout.encoding)
    lines = _first_lines(source, path.name)
    separator = named_delimiter(delimiter) if delimiter else sniff_delimiter(lines)
    shown = shown_delimiter(separator)
    if len(separator.encode()) > 1:
        source, lines = _with_one_byte(source, separator, path.name)
        separator = UNIT_SEPARATOR
    first, taken, start = _first_row(lines, separator, layout, path.name)
    names, has_header = _names(first, layout, header, path.name)
    mark = 3 if head_of(source, 3) == MARKS[-1][0] else 0
    if not has_header:
        taken, start = _blank_lines(lines)
    dialect = Dialect(ord(separator), len(names), layout.quoted)
    structure = examine(source, dialect, name=path.name, start=start + mark)
    if head_of(source, start + mark).count(b"\n") != taken:  # a line ends otherwise, which a parser does not see
        structure = replace(structure, tidy=False)
    found = {
        "format": layout.format,
        "delimiter": shown,
        "encoding": encoding_found,
        "header": "yes" if has_header else "none",
    }
    mended = Mended()
    if structure.tidy:
        rows = structure.rows
        frame = _scan(
            source,
            names,
            separator,
            rows=rows,
            quoted=structure.quotes,
            skip=taken,
            blank_end=structure.blank_end,
        )
    else:
        mended = mend(
            source,
            dialect,
            name=path.name,
            start=start + mark,
            first_line=taken + 1,
            quotes=layout.quoted and structure.quotes,
        )
        rows = len(mended.line)
        frame = _scan(mended.source, names, separator, rows=rows, quoted=mended.quoted)
    return TextTable(
        frame=frame,
        path=path,
        found=found | {"rows": str(rows)},
        roles=dict(layout.roles),
        first_line=taken + 1,
        bad_rows=tuple(mended.bad),
        source=source,
        start=start + mark,
        lines=None if structure.tidy else mended.line,
        multiline=structure.multiline,
        delimiter=separator,
        rows=rows,
    )


def _scan(
    source: Source,
    names: Sequence[str],
    separator: str,
    *,
    rows: int,
    quoted: bool,
    skip: int = 0,
    blank_end: bool = False,
) -> pl.LazyFrame:
    import polars as pl

    schema = dict.fromkeys(names, pl.String())
    if not rows:
        return pl.LazyFrame(schema=schema)
    return pl.scan_csv(
        source,
        has_header=False,
        separator=separator,
        quote_char='"' if quoted else None,
        skip_lines=skip,
        schema=schema,
        infer_schema=False,
        n_rows=rows if blank_end else None,
        glob=False,
    )


def _first_lines(source: Source, name: str) -> list[str]:
    """Return the first lines with their ends, without a mark; the last, which may be cut off, is left out."""
    size = 1 << 16
    while True:
        head = head_of(source, size)
        if b"\n" in head.strip(b"\r\n") or len(head) < size:
            break
        if size >= LONGEST_LINE:
            raise DataError(
                f"{name}: line 1 is longer than {LONGEST_LINE >> 20} MiB",
                hint="is this a text file with one row a line?",
            )
        size *= 4
    cut = len(head) if len(head) < size else head.rfind(b"\n") + 1
    check_utf8(head[:cut], start=0, name=name)
    return io.StringIO(head[:cut].decode().removeprefix("\ufeff"), newline="").readlines()


def _with_one_byte(source: Source, separator: str, name: str) -> tuple[Source, list[str]]:
    def pieces() -> Iterator[bytes]:
        for offset, piece in line_chunks(source, name=name):
            check_utf8(piece, start=offset, name=name)
            yield piece.replace(separator.encode(), UNIT_SEPARATOR.encode())

    replaced = store(pieces(), name)
    return replaced, _first_lines(replaced, name)


def _blank_lines(lines: Sequence[str]) -> tuple[int, int]:
    count = next((n for n, line in enumerate(lines) if line.strip("\r\n")), len(lines))
    return count, sum(len(line.encode()) for line in lines[:count])


def _first_row(lines: Sequence[str], separator: str, layout: Layout, name: str) -> tuple[list[str], int, int]:
    """Return the first row, and how many lines and bytes end with it."""
    blank, _ = _blank_lines(lines)
    if blank == len(lines):
        raise DataError(f"{name}: no rows", hint="the file is empty")
    if not layout.quoted:
        row, taken = lines[blank].rstrip("\r\n").split(separator), blank + 1
    else:
        reader = csv.reader(lines[blank:], delimiter=separator, strict=True)
        try:
            row = next(reader)
        except csv.Error as error:
            raise DataError(
                f"{name}: line {blank + 1}: a quote is not closed", hint="mend the first line, or set --sep"
            ) from error
        taken = blank + reader.line_num
    return row, taken, sum(len(line.encode()) for line in lines[:taken])


def _names(first: Sequence[str], layout: Layout, header: bool | None, name: str) -> tuple[list[str], bool]:
    if len(first) > MOST_COLUMNS:
        raise DataError(f"{name}: {len(first):,} columns", hint="set the delimiter with --sep")
    if layout.names is not None:
        known = list(layout.names)[: len(first)]
        return known + [f"column_{n}" for n in range(len(known) + 1, len(first) + 1)], bool(header)
    if header is False:
        return [f"column_{n}" for n in range(1, len(first) + 1)], False
    names = [cell.strip() or f"column_{n}" for n, cell in enumerate(first, 1)]
    if header is None and looks_like_data(names):
        shown = ", ".join(first[:6])
        raise NoNamesError(
            f"{name}: the first row has numbers and no column names: {shown}",
            hint="--no-header if it is data, --header if these are names",
        )
    twice = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(f"{name}: column name '{twice[0]}' stands twice in the header", hint="rename one of them")
    return names, True
