"""The fast pass calls nothing tidy that a strict parser reads otherwise."""

from __future__ import annotations

import csv
import io
from unittest import mock

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reccli.errors import DataError
from reccli.intake import structure
from reccli.intake.structure import Dialect, examine, judge, row_pieces

COMMA = Dialect(ord(","), 2)


@pytest.mark.parametrize(
    ("content", "rows", "multiline"),
    [
        ("a,b\nc,d\n", 2, False),
        ("a,b\r\n", 1, False),
        (',\n,""\n', 2, False),
        ('"a\n","b,"""\n', 1, True),
        ('a,"b\rc"\n', 1, True),
        ("a\tb,c\n", 1, False),
    ],
)
def test_tidy_pieces(content, rows, multiline):
    assert judge(content.encode(), COMMA) == structure.Verdict(True, rows, multiline)


@pytest.mark.parametrize(
    "content",
    [
        "a\n",
        "a,b,c\n",
        "a,b,c\nd\n",
        "a,b\n\n",
        'a",b\n',
        '"a"b,c\n',
        '"a,b\n',
        "a,b\rc,d\n",
        "a,\0\n",
        'a,"\x1b"\n',
        "\n",
    ],
)
def test_untidy_pieces(content):
    assert not judge(content.encode(), COMMA).tidy


def test_quotes_may_be_text():
    assert judge(b'a",b\n"c,d\n', Dialect(ord(","), 2, quoted=False)).tidy


@pytest.mark.parametrize("content", ["a\n\nb\n", "\na\n", "a\r\n\r\nb\n", "\r\na\n"])
def test_a_blank_line_is_no_row_of_one_field(content):
    assert not judge(content.encode(), Dialect(ord(","), 1)).tidy


@settings(max_examples=400, deadline=None)
@given(st.text(st.sampled_from(list('aé,"\n\r\t\x01')), max_size=20))
def test_what_is_tidy_is_read_alike_by_both_parsers(text):
    content = (text + "\n").encode()
    verdict = judge(content, COMMA)
    if verdict.tidy:
        expected = list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
        frame = pl.scan_csv(
            content, has_header=False, schema={"a": pl.String, "b": pl.String}, quote_char='"' if '"' in text else None
        ).collect()
        assert verdict.rows == len(expected)
        assert [[value or "" for value in row] for row in frame.rows()] == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["a,b", '"x\ny",z', '"p""",q']), max_size=8), st.integers(1, 12), st.booleans())
def test_pieces_are_whole_rows_and_together_the_file(rows, chunk, newline):
    content = "".join(row + "\n" for row in rows).encode()
    shorter = content if newline else content.removesuffix(b"\n")
    with mock.patch("reccli.intake.chunks.CHUNK", chunk):
        pieces = list(row_pieces(shorter, COMMA, name="x"))
        found = examine(shorter, COMMA, name="x")
    assert b"".join(piece for _, piece in pieces) == content
    assert [offset for offset, _ in pieces] == [sum(len(p) for _, p in pieces[:n]) for n in range(len(pieces))]
    assert all(judge(piece, COMMA).tidy for _, piece in pieces)
    assert (found.tidy, found.rows) == (True, len(rows))
    assert found.quotes == (b'"' in content)
    assert found.multiline == (b"x\ny" in content)


def test_a_row_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr("reccli.intake.chunks.CHUNK", 10)
    monkeypatch.setattr(structure, "LONGEST_ROW", 30)
    monkeypatch.setattr(structure, "LONGEST_LINE", 60)
    pieces = list(row_pieces(b'"' + b"a\n" * 100, COMMA, name="x"))
    assert max(len(piece) for _, piece in pieces) <= 40
    with pytest.raises(DataError, match="x: the line at byte 2 is longer"):
        list(row_pieces(b"a\n" + b"b" * 100, COMMA, name="x"))
