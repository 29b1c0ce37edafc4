"""The packed key sorts as the three columns do."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reccli.preparation.ordering import sort_rows

SCHEMA = {"user": pl.UInt32, "item": pl.UInt32, "value": pl.Float32, "time": pl.Int64}
BIG = 2**31


@given(
    st.dictionaries(
        st.tuples(st.sampled_from([0, 1, 2, BIG]), st.sampled_from([0, 1, 5, BIG])),
        st.one_of(st.integers(-5, 5).map(lambda t: t * 1_000_000), st.integers(-(2**62), 2**62)),
        max_size=16,
    ),
    st.booleans(),
)
def test_equals_sorting_by_three_columns(times: dict[tuple[int, int], int], timed: bool) -> None:
    rows = [
        (user, item, float(place), time if timed else None) for place, ((user, item), time) in enumerate(times.items())
    ]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    assert sort_rows(frame, repeats=False).rows() == frame.sort("user", "time", "item").rows()
    whole = frame.with_columns(pl.col("time") // 1_000_000 * 1_000_000)
    assert sort_rows(whole, repeats=False, step=1_000_000).rows() == whole.sort("user", "time", "item").rows()


def test_repeated_pairs_are_told_apart_by_value() -> None:
    frame = pl.DataFrame([(0, 0, 2.0, 1), (0, 0, 1.0, 1), (0, 0, 3.0, 0)], schema=SCHEMA, orient="row")
    assert sort_rows(frame, repeats=True)["value"].to_list() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize("repeats", [True, False])
def test_no_rows(repeats: bool) -> None:
    assert sort_rows(pl.DataFrame(schema=SCHEMA), repeats=repeats).height == 0
