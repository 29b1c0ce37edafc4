"""Every policy, by hand and against a dictionary."""

from __future__ import annotations

from collections import defaultdict

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reccli.preparation.duplicates import POLICIES, has_repeats, merge_repeats, repeated_rows

SCHEMA = {"user": pl.UInt32, "item": pl.UInt32, "value": pl.Float32, "weight": pl.Float32, "time": pl.Int64,
          "row": pl.UInt32}  # fmt: skip
Row = tuple[int, int, float, float, int, int]


def coded(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


# user 0 met item 0 three times; the newest meeting stands first in the file
ROWS: list[Row] = [(0, 0, 5.0, 1.0, 30, 0), (0, 0, 1.0, 3.0, 10, 1), (0, 1, 4.0, 1.0, 5, 2), (0, 0, 3.0, 5.0, 20, 3)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("last", (0, 0, 5.0, 1.0, 30, 0)),
        ("first", (0, 0, 1.0, 3.0, 10, 1)),
        ("mean", (0, 0, 3.0, 3.0, 30, 0)),
        ("sum", (0, 0, 9.0, 9.0, 30, 0)),
        ("max", (0, 0, 5.0, 5.0, 30, 0)),
    ],
)
def test_policy_by_hand(policy: str, expected: Row) -> None:
    left, gone = merge_repeats(coded(ROWS), policy)
    assert sorted(left.rows()) == sorted([expected, ROWS[2]])
    assert sorted([*gone, *left["row"]]) == [0, 1, 2, 3]
    assert not has_repeats(left)


def test_ties_of_time_are_broken_by_row_order() -> None:
    rows: list[Row] = [(0, 0, 1.0, 1.0, 7, 0), (0, 0, 2.0, 1.0, 7, 1)]
    assert merge_repeats(coded(rows), "last")[0]["value"].to_list() == [2.0]
    assert merge_repeats(coded(rows), "first")[0]["value"].to_list() == [1.0]


def test_without_time_row_order_decides() -> None:
    frame = coded(ROWS).with_columns(time=pl.lit(None, pl.Int64))
    assert merge_repeats(frame, "last")[0].sort("item")["value"].to_list() == [3.0, 4.0]
    assert merge_repeats(frame, "first")[0].sort("item")["value"].to_list() == [5.0, 4.0]


def test_the_earliest_repeat_is_named() -> None:
    assert has_repeats(coded(ROWS))
    assert repeated_rows(coded(ROWS)) == (1, 0)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 5), st.integers(0, 3)), max_size=25),
    st.sampled_from(POLICIES),
)
def test_equals_a_dictionary(rows: list[tuple[int, int, int, int]], policy: str) -> None:
    frame = coded([(u, i, float(v), 1.0, t, number) for number, (u, i, v, t) in enumerate(rows)])
    groups = defaultdict(list)
    for number, (u, i, v, t) in enumerate(rows):
        groups[u, i].append((t, number, v))
    pick = {
        "last": lambda met: met[-1][2],
        "first": lambda met: met[0][2],
        "max": lambda met: max(v for _, _, v in met),
        "sum": lambda met: sum(v for _, _, v in met),
        "mean": lambda met: sum(v for _, _, v in met) / len(met),
    }[policy]
    left, gone = merge_repeats(frame, policy)
    assert left.height + len(gone) == len(rows)
    assert has_repeats(frame) == (len(gone) > 0)
    found = {(u, i): v for u, i, v in left.select("user", "item", "value").rows()}
    assert found == pytest.approx({pair: pick(sorted(met)) for pair, met in groups.items()}, rel=1e-6)
