"""The jsonl reader; what it does with each fault is in tests/intake/test_json_lines.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from reccli.readers.jsonl import JSONL
from reccli.testing import ReaderConformance


class TestJSONL(ReaderConformance):
    component = "jsonl"

    def write_sample(self, folder):
        path = folder / "reviews.jsonl"
        path.write_text('{"user": "007", "item": 7}\n{"user": 7, "stars": 4.5}\n', encoding="utf-8")
        return path

    def sample_rows(self):
        return [("007", "7", None), ("7", None, "4.5")]


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("x.jsonl", b"[]", True),
        ("x", b'{"a": 1}', True),
        ("x", b'\xef\xbb\xbf \n{"a": 1}', True),
        ("x", b"{curly},x\n", False),
        ("x.jsonl", b"", False),
    ],
)
def test_it_knows_objects(name, head, expected):
    assert JSONL().recognises(Path(name), head) is expected
