"""Streams of bytes, cut at newlines."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reccli.errors import DataError
from reccli.intake import chunks


@given(st.binary(max_size=40), st.integers(1, 9), st.integers(0, 45), st.integers(0, 45))
def test_raw_chunks_are_the_slice(content, size, start, length):
    with mock.patch.object(chunks, "CHUNK", size):
        assert b"".join(chunks.raw_chunks(content, start=start, end=start + length)) == content[start : start + length]
        assert b"".join(chunks.raw_chunks(content)) == content


@given(st.text("ab\n", max_size=40), st.integers(1, 9))
def test_line_chunks_are_whole_lines_with_their_offsets(text, size):
    content = text.encode()
    with mock.patch.object(chunks, "CHUNK", size):
        found = list(chunks.line_chunks(content, name="x"))
    whole = content if not content or content.endswith(b"\n") else content + b"\n"
    assert b"".join(piece for _, piece in found) == whole
    assert all(whole[offset:].startswith(piece) and piece.endswith(b"\n") for offset, piece in found)


@given(st.text("a\r\n", max_size=30), st.integers(1, 9))
def test_the_end_is_after_the_last_content(text, size):
    content = text.encode()
    with mock.patch.object(chunks, "CHUNK", size):
        end, tail = chunks.trimmed_end(content)
    assert content[:end] == content.rstrip(b"\r\n")
    assert content[end:] == tail


def test_an_endless_line(monkeypatch):
    monkeypatch.setattr(chunks, "LONGEST_LINE", 50)
    monkeypatch.setattr(chunks, "CHUNK", 10)
    with pytest.raises(DataError, match="x: the line at byte 2 is longer"):
        list(chunks.line_chunks(b"a\n" + b"b" * 100, name="x"))


def test_files_and_bytes_are_alike(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    for source in (path, b"abc"):
        assert (chunks.size_of(source), chunks.head_of(source, 2)) == (3, b"ab")
