"""Encodings are found by their marks and decoded piece by piece."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reccli.errors import ConfigError, DataError
from reccli.intake.encodings import check_utf8, decoded, find_encoding, is_utf8, known_encoding, unified_newlines


def cut(content: bytes, size: int) -> list[bytes]:
    return [content[n : n + size] for n in range(0, len(content), size)]


@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["utf-16", "utf-32", "utf-16-be"]),
    st.integers(1, 5),
)
def test_decoding_does_not_depend_on_the_pieces(text, encoding, size):
    content = text.encode(encoding)
    assert b"".join(decoded(cut(content, size), encoding, name="x")) == text.removeprefix("\ufeff").encode()


@given(st.text("a\r\n"), st.integers(1, 4))
def test_newlines_do_not_depend_on_the_pieces(text, size):
    expected = text.replace("\r\n", "\n").replace("\r", "\n").encode()
    assert b"".join(unified_newlines(cut(text.encode(), size))) == expected


@pytest.mark.fault(58)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_f58_the_offset_of_a_wrong_byte(size):
    content = "日本".encode("shift_jis") + b"\xff\xff"
    with pytest.raises(DataError, match="x: byte 4 is not shift_jis"):
        list(decoded(cut(content, size), "shift_jis", name="x"))
    with pytest.raises(DataError, match="x: byte 13 "):
        check_utf8("日b".encode() + b"\xff", start=9, name="x")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"user,item", "utf-8"),
        (b"", "utf-8"),
        (codecs.BOM_UTF8 + b"a", "utf-8-sig"),
        (codecs.BOM_UTF16_LE + b"a\0", "utf-16"),
        (codecs.BOM_UTF32_LE + b"a\0\0\0", "utf-32"),
        ("user,item".encode("utf-16-le"), "utf-16-le"),
        ("user,item".encode("utf-16-be"), "utf-16-be"),
        (b"user\0,item", "utf-8"),
    ],
)
def test_finding(head, expected):
    assert find_encoding(head) == expected


def test_names():
    assert known_encoding("Latin1") == "latin-1"
    assert known_encoding("UTF8") == "utf-8"
    assert is_utf8("UTF_8")
    assert not is_utf8("utf-16")
    for name in ("klingon", "rot13", "a\0b"):
        with pytest.raises(ConfigError, match="no such text encoding"):
            known_encoding(name)
