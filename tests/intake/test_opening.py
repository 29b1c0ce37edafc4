"""Finding the reader, and what a table comes with."""

from __future__ import annotations

import polars as pl
import pytest

from reccli.api import Reader, Table
from reccli.errors import ConfigError, DataError, PluginError
from reccli.intake import opening, reading, roles
from reccli.registry import Registered

CLEAN = "user,item,rating\nu1,i1,5\nu2,i2,4\n"


def test_what_was_found_is_told(read):
    assert dict(read(CLEAN.replace(",", ";")).found) == {
        "reader": "csv",
        "format": "csv",
        "delimiter": ";",
        "encoding": "utf-8",
        "header": "yes",
        "rows": "2",
    }


def test_the_reader_can_be_set(read):
    assert read("u\ti\n1\t2\n", "x.csv", reader="csv").found["reader"] == "csv"
    with pytest.raises(ConfigError, match="no reader called 'csw'; did you mean 'csv'"):
        read(CLEAN, reader="csw")


def test_a_binary_file_is_refused(read):
    with pytest.raises(DataError, match="no reader knows this binary file") as error:
        read(b"\x7fELF" + bytes(range(256)), "ratings.bin")
    assert "csv" in error.value.hint


def test_settings_of_the_format_are_for_the_interactions(read):
    table = read("movieId,title\n1,Heat\n", "movies.csv", kind="items", delimiter=";", header=False, reader="movielens")
    assert table.frame.collect().rows() == [("1", "Heat")]


@pytest.mark.parametrize("content", ["749\tfilm.writer\t2347\n1\tx\t2\n", "/m/a\t/loc\t/m/b\n/m/c\t/loc\t/m/d\n"])
def test_triples_without_names_lose_no_row(read, content):
    table = read(content, "kg.txt", kind="triples")
    assert table.frame.collect().height == 2
    assert list(roles.assign(table, settings(), "triples").values()) == ["column_1", "column_2", "column_3"]


def test_triples_with_names_keep_them(read):
    table = read("head,relation,tail\na,b,c\n", "kg.csv", kind="triples")
    assert table.frame.collect().rows() == [("a", "b", "c")]


def test_items_without_names(read):
    table = read("1|Heat\n2|Ronin\n", "items.txt", kind="items")
    assert roles.assign(table, settings(), "items") == {"id": "column_1", "title": "column_2"}


def settings(**given):
    from reccli.settings import PrepareSettings

    return PrepareSettings(**given)


class Upper(Reader):
    """Stands in for a third party's reader."""

    priority = 5

    def recognises(self, path, head):
        return path.suffix == ".up"

    def open(self, path, *, delimiter, encoding, header):
        return Table(pl.LazyFrame({"user": ["u"], "item": ["i"]}), path)


def test_a_broken_plugin_hurts_only_the_run_that_names_it(read, monkeypatch):
    ours = [entry for entry in opening.registry.entries("reader") if entry.builtin]
    fake = [Registered("reader", name, "other", "1", "x:Y", None) for name in ("broken", "upper")]
    load = opening.registry.load

    def loaded(kind, name):
        if name == "other:broken":
            raise PluginError("cannot be imported")
        return Upper if name == "other:upper" else load(kind, name)

    monkeypatch.setattr(opening.registry, "entries", lambda kind: (*ours, *fake))
    monkeypatch.setattr(opening.registry, "load", loaded)
    assert read(CLEAN).found["reader"] == "csv"
    assert read("x", "a.up").found["reader"] == "other:upper"


@pytest.mark.fault(84)
def test_f84_a_panic_of_the_library_becomes_an_error(tmp_path):
    with pytest.raises(DataError, match="damaged: index out of range"), reading(tmp_path / "x.parquet"):
        raise pl.exceptions.PanicException("index out of range")
    with pytest.raises(DataError, match="cannot be read: no"), reading(tmp_path / "x.parquet"):
        raise pl.exceptions.ComputeError("no\nat all")
    with pytest.raises(pl.exceptions.ComputeError), reading(tmp_path / "x.parquet"):
        raise pl.exceptions.ComputeError("No space left on device (os error 28)")
