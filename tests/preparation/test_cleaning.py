"""Malformed rows over several files: found, placed, listed in order."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from reccli.api.reader import Table
from reccli.errors import DataError
from reccli.preparation.cleaning import drop_bad_rows, find_bad_rows, refuse_bad_rows
from reccli.preparation.ledger import Ledger
from reccli.preparation.reading import Source, locate, read_sources

ROLES = ("user", "item", "value")


def source(name: str, rows: list[tuple[str | None, ...]], unread: tuple[tuple[int, str, str], ...] = ()) -> Source:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(ROLES, pl.String), orient="row").lazy()
    return Source(Table(frame, Path(name), first_line=2, bad_rows=unread), {role: role for role in ROLES})


SOURCES = [
    source("a.csv", [("u", "x", "1"), ("u", "y", "?"), ("", "", "")]),
    source("b.csv", [("u", "x", " 2 "), (None, "x", "1"), ("u", "\0", "1")], ((9, "too few fields", "u"),)),
]


def test_a_row_stands_under_its_first_reason() -> None:
    raw = read_sources(SOURCES, ROLES)
    bad = find_bad_rows(raw, SOURCES)
    assert [(reason, mask.arg_true().to_list()) for reason, mask in bad.masks] == [
        ("no user id", [4]),
        ("no user id", [2]),
        ("item id with a NUL character", [5]),
        ("value is not a number", [1]),
    ]
    assert bad.count == 5
    assert bad.mask is not None
    assert bad.mask.to_list() == [False, True, True, False, True, True]
    assert raw.frame["value"].to_list() == [1, None, None, 2, 1, 1]


def test_the_error_lists_them_in_the_order_of_files_and_lines() -> None:
    raw = read_sources(SOURCES, ROLES)
    message = (
        r"^5 malformed rows: a\.csv line 3: value is not a number .*, a\.csv line 4: no user id .*, "
        r"b\.csv line 3: no user id .*, b\.csv line 4: item id with a NUL character .*, b\.csv line 9: too few fields"
    )
    with pytest.raises(DataError, match=message):
        refuse_bad_rows(find_bad_rows(raw, SOURCES), raw, SOURCES)


def test_dropping_enters_the_ledger() -> None:
    raw = read_sources(SOURCES, ROLES)
    ledger = Ledger(7)
    drop_bad_rows(find_bad_rows(raw, SOURCES), ledger)
    ledger.check(2)
    assert ledger.drops["no user id"].count == 2
    assert ledger.drops["no user id"].first_row == 2
    assert ledger.drops["too few fields"].place is not None


def test_places_are_found_in_any_order() -> None:
    raw = read_sources(SOURCES, ROLES)
    assert [(place.file, place.line) for place in locate(SOURCES, raw.start, [5, 0, 2, 5])] == [
        ("b.csv", 4),
        ("a.csv", 2),
        ("a.csv", 4),
        ("b.csv", 4),
    ]
