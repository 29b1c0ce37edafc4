"""JSON Lines, line by line."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reccli.errors import DataError
from reccli.intake import json_lines, locate
from reccli.intake.json_lines import open_json_lines


@pytest.fixture
def table(read):
    return lambda content, **given: read(content, "ratings.jsonl", **given)


@pytest.fixture
def rows(table):
    return lambda content, **given: table(content, **given).frame.collect().rows()


def test_a_clean_file(table):
    read = table('{"user": "007", "item": 7, "rating": 4.5}\n{"item": "x", "user": 8}')
    assert read.frame.collect().rows() == [("007", "7", "4.5"), ("8", "x", None)]
    assert dict(read.found) == {"reader": "jsonl", "format": "json lines", "encoding": "utf-8", "rows": "2"}
    assert locate(read, [1]) == [(2, '{"item": "x", "user": 8}')]


@pytest.mark.fault(55)
def test_f55_marks_newlines_and_blank_lines(table):
    read = table(b'\xef\xbb\xbf{"user":1,"item":2}\r\n\r\n\n{"user":3,"item":4}\r\n')
    assert read.frame.collect().rows() == [("1", "2"), ("3", "4")]
    assert [line for line, _ in locate(read, [0, 1])] == [1, 4]


@pytest.mark.fault(57)
def test_f57_utf16(rows):
    assert rows('{"user":"é","item":2}\n'.encode("utf-16")) == [("é", "2")]


@pytest.mark.fault(58)
def test_f58_other_encodings(table):
    content = '{"user":"é","item":2}\n'.encode("latin-1")
    with pytest.raises(DataError, match="byte 9 "):
        table(content)
    assert table(content, encoding="latin-1").frame.collect().rows() == [("é", "2")]


@pytest.mark.fault(69, 70)
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"007"', "007"), ("7", "7"), ("7.0", "7"), ('"7.0"', "7.0"), ("true", "true"), ("null", None), ('""', ""),
        (str(2**64), str(2**64)), (str(10**40), str(10**40)), ("[1, 2]", "[1, 2]"), ('{"a": "b"}', '{"a": "b"}'),
        ('"\\u00e9\\ud83d\\ude00"', "é😀"), ('"a\\u0000b"', "a\0b"), ('"a\\nb"', "a\nb"), ("1e400", "inf"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("beside", ["", '{"user": 1, "item": 9999999999999999999999999999999999999999999}\n'])
def test_f69_values_as_text(rows, value, expected, beside):
    assert rows(beside + f'{{"user": {value}, "item": 1}}\n')[-1] == (expected, "1")


@pytest.mark.fault(62)
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"user": 1', "not JSON: expecting ',' delimiter at column 11"),
        ("user,item", "not JSON: expecting value at column 1"),
        ('{"user": NaN}', "not JSON: NaN is no JSON number"),
        ("[1, 2]", "not a JSON object"),
        ('{"user": "\\ud800"}', "half of a surrogate pair"),
        ('{"user": 1} {"user": 2}', "not JSON: extra data at column 13"),
        ('{"user": ' + "[" * 100_000 + "]" * 100_000 + "}", "not JSON: nested too deeply"),
    ],
)
def test_f62_bad_lines(table, line, reason):
    content = f'{{"user": 1, "item": 2}}\n{line}\n{{"user": 3, "item": 4}}\n'
    with pytest.raises(DataError, match="line 2"):
        table(content)
    read = table(content, drop_bad_rows=True)
    assert read.frame.collect().rows() == [("1", "2"), ("3", "4")]
    assert [bad[:2] for bad in read.bad_rows] == [(2, reason)]
    assert locate(read, [1])[0][0] == 3


@pytest.mark.parametrize(
    ("content", "match"),
    [("", "no rows"), ("\n\n", "no rows"), ('[{"a": 1}]', "a JSON array"), ("1\n2\n", "no line is")],
)
def test_no_objects(table, content, match):
    with pytest.raises(DataError, match=match):
        table(content)


@pytest.mark.fault(81)
def test_f81_very_many_keys(table):
    with pytest.raises(DataError, match="20,000 keys"):
        table(json.dumps({f"k{n}": n for n in range(20_000)}))


def test_keys_that_come_late_are_not_read(rows, monkeypatch):
    monkeypatch.setattr(json_lines, "LOOKED_AT", 1)
    assert rows('{"user":1,"item":2}\n{"user":1,"item":2,"late":3}\n') == [("1", "2"), ("1", "2")]


KEYS = st.sampled_from(["a", "b", "ü"])
VALUE = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4))
LINE = st.one_of(
    st.dictionaries(KEYS, VALUE, max_size=3).map(json.dumps),
    st.dictionaries(KEYS, VALUE, max_size=3).map(lambda value: json.dumps(value, ensure_ascii=False)),
    st.sampled_from(["", "{", "[]", "{} x", '{"a":"\\udc00"}']),
)


def oracle(line: str):
    try:
        value = json.loads(line)
        json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def text_of(value):
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINE, min_size=1, max_size=6), st.sampled_from([7, 1 << 20]))
def test_arbitrary_lines_are_read_as_the_standard_library_does(lines, chunk):
    good = [oracle(line) for line in lines]
    bad = [number for number, (line, value) in enumerate(zip(lines, good, strict=True), 1) if line and value is None]
    names = list(dict.fromkeys(key for value in good if value for key in value))
    with tempfile.TemporaryDirectory() as folder, mock.patch("reccli.intake.chunks.CHUNK", chunk):
        path = Path(folder) / "x.jsonl"
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        if not names:
            with pytest.raises(DataError, match=r"no rows|no line|array"):
                open_json_lines(path, encoding=None)
            return
        table = open_json_lines(path, encoding=None)
        expected = [tuple(text_of(value.get(name)) for name in names) for value in good if value is not None]
        assert table.frame.collect().rows() == expected
        assert [line for line, _, _ in table.bad_rows] == bad
