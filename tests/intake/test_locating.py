"""Rows are found again in their file."""

from __future__ import annotations

import polars as pl
import pytest

from reccli.intake import locate


@pytest.mark.parametrize("drop", [False, True])
def test_lines_and_texts(read, drop):
    content = 'user,item\nu1,i1\n"u\n2",i2\nu3,i3\n' + "bad\n" * drop + "\nu4,i4"
    table = read(content, drop_bad_rows=drop)
    assert locate(table, [3, 0, 1, 3]) == [(7 + drop, "u4,i4"), (2, "u1,i1"), (3, '"u'), (7 + drop, "u4,i4")]
    assert locate(table, []) == []


def test_lines_of_a_large_file(read, monkeypatch):
    table = read("user,item\n" + "".join(f"u{n},i{n}\n" for n in range(5000)))
    monkeypatch.setattr("reccli.intake.chunks.CHUNK", 100)
    assert locate(table, [4999, 17]) == [(5001, "u4999,i4999"), (19, "u17,i17")]


def test_a_delimiter_of_several_characters_is_shown(read):
    table = read("user::item\na::b\n")
    assert locate(table, [0]) == [(2, "a::b")]


def test_long_lines_are_cut(read):
    ((line, text),) = locate(read("user,item\nu," + "i" * 1000), [0])
    assert (line, len(text)) == (2, 204)


def test_rows_of_other_formats_have_numbers(read, tmp_path):
    pl.DataFrame({"user": [1], "item": [None]}, schema={"user": pl.Int64, "item": pl.String}).write_parquet(
        tmp_path / "x.parquet"
    )
    table = read((tmp_path / "x.parquet").read_bytes(), "r.parquet")
    assert locate(table, [0]) == [(1, "1, ")]
