"""Delimiters and headers are told from the first lines."""

from __future__ import annotations

import pytest

from reccli.errors import ConfigError
from reccli.intake.sniffing import is_text, looks_like_data, named_delimiter, shown_delimiter, sniff_delimiter


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a,b", "c,d"], ","),
        (["a\tb c", "d\te, f"], "\t"),
        (["a;b;c", "1;2;3,5", "4;5;6,5"], ";"),
        (["a|b", "x|y,z,w"], "|"),
        (["a::b::c", "d::e::f"], "::"),
        (["1 2 3", "4 5 6"], " "),
        (["user item", "a,b"], ","),
        (['"a,b";c', '"d,e";f'], ";"),
        (["alone", "here"], ","),
        (["a,b"] + ["c,d"] * 9 + ["e,f,g"], ","),
        ([], ","),
    ],
)
def test_sniffing(lines, expected):
    assert sniff_delimiter(lines) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (["userId", "movieId"], False),
        (["1", "31", "2.5"], True),
        (["u1", "i1"], False),
        (["u1", "i1", "5"], True),
        (["nan", "inf"], False),
        (["x1", "2_000"], False),
        (["-1.5e3"], True),
    ],
)
def test_a_number_is_no_name(row, expected):
    assert looks_like_data(row) is expected


def test_names_of_delimiters():
    assert [named_delimiter(name) for name in ("tab", "\\t", "TAB", "pipe", "::", "x")] == [
        "\t",
        "\t",
        "\t",
        "|",
        "::",
        "x",
    ]
    assert [shown_delimiter(delimiter) for delimiter in ("\t", " ", ";")] == ["tab", "space", ";"]
    with pytest.raises(ConfigError, match="delimiter=''"):
        named_delimiter("")


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("x", b"text\x1b[2J" * 9, True),
        ("x", b"\0" * 99, False),
        ("x.TSV", b"\0" * 99, True),
        ("x.csv", b"%PDF-1", False),
    ],
)
def test_text(name, head, expected):
    assert is_text(name, head) is expected
