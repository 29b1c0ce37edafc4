"""Dirty CSV files at random: equal to the standard library's reading, or refused with a line number."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reccli.errors import DataError
from reccli.intake import locate, open_table
from reccli.settings import PrepareSettings

HEADER = ["user", "item", "text"]
FIELD = st.text(st.sampled_from(list("ab1. é日'\t;,|\"\n\r")), max_size=6)


@dataclass
class Dirty:
    """A file, the rows that it holds, and the lines of faults put into it."""

    content: bytes
    rows: list[list[str]]
    delimiter: str
    encoding: str
    bad_lines: list[int] = field(default_factory=list)


@st.composite
def dirty(draw, faults=("short", "long", "nul")):
    delimiter = draw(st.sampled_from(",;\t|"))
    newlines = draw(st.lists(st.sampled_from(["\n", "\r\n"]), min_size=1, max_size=3))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]))
    all_quoted = draw(st.booleans())
    out, rows, bad, line = io.StringIO(), [], [], 1
    out.write(delimiter.join(HEADER) + newlines[0])
    line += 1
    for number in range(draw(st.integers(1, 8))):
        newline = newlines[number % len(newlines)]
        if draw(st.integers(0, 9)) == 0:
            out.write(newline)
            line += 1
        fault = draw(st.sampled_from(["none", "none", "none", *faults]))
        row = [draw(FIELD) for _ in HEADER]
        if fault == "none":
            text = delimiter.join(_quoted(value, delimiter, all_quoted) for value in row)
            rows.append(row)
        else:
            text = {"short": "x", "long": delimiter.join("wxyz"), "nul": delimiter.join(["x", "y\0", "z"])}[fault]
            bad.append(line)
        out.write(text + newline)
        line += len(re.findall(r"\r\n|\r|\n", text)) + 1
    text = out.getvalue()
    if draw(st.booleans()):
        text = text.rstrip("\r\n") if not text.rstrip("\r\n").endswith(delimiter) else text
    return Dirty(text.encode(encoding), rows, delimiter, encoding, bad)


def _quoted(value: str, delimiter: str, always: bool) -> str:
    if always or any(c in value for c in f'{delimiter}"\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


def read(content: bytes, chunk: int = 1 << 20, **given):
    """Return rows as lists (a missing value is an empty one), the table, and the places of the rows."""
    with tempfile.TemporaryDirectory() as folder, mock.patch("reccli.intake.chunks.CHUNK", chunk):
        path = Path(folder) / "dirty.csv"
        path.write_bytes(content)
        table = open_table(path, PrepareSettings(**given), scratch=Path(folder) / "scratch")
        rows = [["" if value is None else value for value in row] for row in table.frame.collect().rows()]
        return rows, table, locate(table, range(len(rows)))


def refusal(content: bytes, chunk: int, **given):
    """Return the error that refuses the file, or None."""
    try:
        read(content, chunk, **given)
    except DataError as error:
        return error
    return None


HEADERS = ["user,item\n"] * 4 + [
    "user,item\r",
    "\n\r\nuser,item\r\n",
    'us er,"item"\n',
    '"us\ner",item\n',
    '"u\rr",item\r',
]
CHUNKS = st.sampled_from([5, 17, 1 << 20])


@pytest.mark.fault(55, 57, 59, 60, 62)
@settings(max_examples=150, deadline=None)
@given(dirty(), CHUNKS)
def test_dirty_files_are_read_exactly_or_refused_with_a_line(file, chunk):
    given_encoding = {"encoding": "utf-16-le"} if file.encoding == "utf-16-le" else {}
    options = {"delimiter": file.delimiter, "header": True, **given_encoding}
    if file.bad_lines:
        with pytest.raises(DataError, match=rf"line {file.bad_lines[0]}\b"):
            read(file.content, chunk, **options)
    if not file.rows:
        return
    rows, table, _ = read(file.content, chunk, **options, drop_bad_rows=True)
    assert rows == file.rows
    assert [line for line, _, _ in table.bad_rows] == file.bad_lines
    assert len(rows) + len(table.bad_rows) == len(file.rows) + len(file.bad_lines)


def oracle(text: str, width: int):
    """Read as the standard library does; None where that is not possible without a fault."""
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows, line, places = [], 1, []
        for row in reader:
            if row:
                rows.append(row)
                places.append(line)
            line = reader.line_num + 1
    except csv.Error:
        return None
    controls = any(c < " " and c not in "\t\n\r" for row in rows for value in row for c in value)
    return None if controls or any(len(row) != width for row in rows) else (rows[1:], places[1:])


@pytest.mark.fault(55, 59, 60, 61, 62)
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(HEADERS), st.text(st.sampled_from(list('ab,,"""\n\n\r\0é')), max_size=40), CHUNKS)
def test_arbitrary_text_is_read_as_the_standard_library_does_or_refused(header, text, chunk):
    content = header + text
    expected = oracle(content, 2)
    options = {"delimiter": ",", "header": True, "user_column": next(csv.reader([header.strip("\r\n")]))[0]}
    error = refusal(content.encode(), chunk, **options)
    if error is not None:
        assert expected is None or not expected[0], error.message
        assert re.search(r"line \d|no rows", error.message)
    else:
        assert expected is not None
        rows, _, places = read(content.encode(), chunk, **options)
        assert rows == expected[0]
        assert [line for line, _ in places] == expected[1]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.booleans(), st.booleans())
def test_arbitrary_bytes_never_end_in_another_exception(content, header, drop):
    content = b"user,item\n" * header + content
    error = refusal(content, 1 << 20, drop_bad_rows=drop, reader="csv")
    if error is not None:
        assert error.hint
    else:
        assert read(content, drop_bad_rows=drop, reader="csv")[0]
