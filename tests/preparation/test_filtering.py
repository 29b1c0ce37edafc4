"""The filters in their order, and their account."""

from __future__ import annotations

import polars as pl
import pytest

from reccli.errors import DataError
from reccli.preparation.filtering import Filters, apply_filters
from reccli.preparation.ledger import Ledger


def rows(*triples: tuple[int, int, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [(u, i, v, 1.0, None, number) for number, (u, i, v) in enumerate(triples)],
        schema={"user": pl.UInt32, "item": pl.UInt32, "value": pl.Float32, "weight": pl.Float32, "time": pl.Int64,
                "row": pl.UInt32},
        orient="row",
    )  # fmt: skip


def describe(first: int, later: int) -> str:
    return f"rows {first} and {later}"


def test_the_last_rating_decides_before_the_least_value() -> None:
    frame = rows((0, 0, 5.0), (0, 0, 2.0), (1, 0, 4.0))
    ledger = Ledger(rows_in=3)
    left, repeats = apply_filters(frame, Filters(min_rating=3), ledger, describe=describe)
    assert left["row"].to_list() == [2]
    assert not repeats
    assert {reason: (drop.count, drop.first_row) for reason, drop in ledger.drops.items()} == {
        "duplicate": (1, 0),
        "value below the least": (1, 1),
    }
    ledger.check(left.height)


def test_outlier_users_go_whole_and_the_core_comes_last() -> None:
    frame = rows((0, 0, 1), (0, 1, 1), (0, 2, 1), (1, 0, 1), (1, 1, 1), (2, 0, 1), (2, 1, 1), (2, 1, 1), (3, 0, 1))
    ledger = Ledger(rows_in=9)
    left, _ = apply_filters(frame, Filters(max_interactions=2, core=(2, 2)), ledger, describe=describe)
    assert sorted(left.select("user", "item").rows()) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert ledger.counts() == {
        "dropped.duplicate": 1,
        "dropped.user with too many interactions": 3,
        "dropped.outside the k-core": 1,
    }


def test_keep_says_that_pairs_repeat() -> None:
    ledger = Ledger(rows_in=2)
    left, repeats = apply_filters(rows((0, 0, 5.0), (0, 0, 2.0)), Filters(duplicates="keep"), ledger, describe=describe)
    assert repeats
    assert left.height == 2


def test_error_names_the_rows() -> None:
    with pytest.raises(DataError, match="rows 0 and 2"):
        apply_filters(
            rows((0, 0, 5.0), (0, 1, 5.0), (0, 0, 2.0)), Filters(duplicates="error"), Ledger(3), describe=describe
        )
