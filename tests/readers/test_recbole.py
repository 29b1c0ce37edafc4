"""The recbole reader: typed names, quotes as text, companions by stem."""

from __future__ import annotations

from pathlib import Path

import pytest

from reccli.errors import DataError
from reccli.intake import open_table, roles
from reccli.readers.recbole import RecBole
from reccli.settings import PrepareSettings
from reccli.testing import ReaderConformance

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n007\t7\t5\t891717742\n"
ROWS = [("196", "242", "3", "881250949"), ("007", "7", "5", "891717742")]


class TestRecBole(ReaderConformance):
    component = "recbole"

    def write_sample(self, folder):
        (folder / "ml.inter").write_text(INTER, encoding="utf-8")
        return folder / "ml.inter"

    def sample_rows(self):
        return ROWS


class TestRecBoleFolder(TestRecBole):
    def write_sample(self, folder):
        super().write_sample(folder)
        (folder / "ml.kg").write_text("head_id:token\trelation_id:token\ttail_id:token\na\tb\tc\n", encoding="utf-8")
        return folder


def opened(path, kind="interactions"):
    return open_table(path, PrepareSettings(), kind=kind)


def test_a_folder_and_its_companions(tmp_path):
    for suffix in ("inter", "item", "user", "kg", "net"):
        (tmp_path / f"ml.{suffix}").write_text(INTER, encoding="utf-8")
    for path in (tmp_path, tmp_path / "ml.inter"):
        table = opened(path)
        assert {kind: file.name for kind, file in table.companions.items()} == {
            "items": "ml.item",
            "users": "ml.user",
            "triples": "ml.kg",
        }
        assert table.found["types"] == "token, token, float, float"
        assert roles.assign(table, PrepareSettings())["time"] == "timestamp"
    (tmp_path / "other.inter").write_text(INTER, encoding="utf-8")
    with pytest.raises(DataError, match="no reader knows this folder"):
        opened(tmp_path)


def test_quotes_are_text(tmp_path):
    path = tmp_path / "ml.item"
    path.write_text('item_id:token\tmovie_title:token_seq\n1\t"Heat\n2\tRonin "1998"\n', encoding="utf-8")
    table = opened(path, "items")
    assert table.frame.collect().rows() == [("1", '"Heat'), ("2", 'Ronin "1998"')]
    assert roles.assign(table, PrepareSettings(), "items") == {"id": "item_id", "title": "movie_title"}


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("x.inter", b"user_id:token\titem_id:token\r\n", True),
        ("x.inter", b"\xef\xbb\xbfuser_id:token", True),
        ("x.inter", b"user_id\titem_id\n", False),
        ("x.inter", b"user_id:token\titem_id:int\n", False),
        ("x.csv", b"user_id:token\titem_id:token\n", False),
    ],
)
def test_it_knows_typed_names(name, head, expected):
    assert RecBole().recognises(Path(name), head) is expected


def test_names_without_types_are_refused(tmp_path):
    path = tmp_path / "x.inter"
    path.write_text("user_id\titem_id\n1\t2\n", encoding="utf-8")
    with pytest.raises(DataError, match="no typed names"):
        RecBole().open(path, delimiter=None, encoding=None, header=None)


@pytest.mark.fault(65)
def test_f65_names_that_differ_in_type_alone(tmp_path):
    path = tmp_path / "x.inter"
    path.write_text("user_id:token\tuser_id:float\n1\t2\n", encoding="utf-8")
    with pytest.raises(DataError, match="stands twice"):
        opened(path)
