"""The csv reader; what it does with each fault is in tests/intake/test_delimited.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from reccli.readers.csv import CSV
from reccli.testing import ReaderConformance


class TestCSV(ReaderConformance):
    component = "csv"

    def write_sample(self, folder):
        path = folder / "ratings.csv"
        path.write_text('user,item,title\n007,7,"Heat, ""1995"""\n7,7.0,\n', encoding="utf-8")
        return path

    def sample_rows(self):
        return [("007", "7", 'Heat, "1995"'), ("7", "7.0", None)]


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("x", b"a b", True),
        ("x.csv", b"a\0b", True),
        ("x", "a,b\n".encode("utf-16"), True),
        ("x", b"", False),
        ("x.csv", b"PAR1\x00", False),
        ("x.bin", bytes(range(256)), False),
        ("x", b"caf\xe9,1\n", True),
    ],
)
def test_it_takes_whatever_is_text(name, head, expected):
    assert CSV().recognises(Path(name), head) is expected
