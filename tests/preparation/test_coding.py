"""Codes follow the sorted ids."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from reccli.preparation.coding import LONGEST_ID, bad_ids, compact, rank_codes, same_after_normalisation


def categorical(names: list[str]) -> pl.Series:
    return pl.Series("id", names).cast(pl.Categorical(pl.Categories.random("test")))


@given(st.lists(st.text(max_size=5), min_size=1, max_size=30))
def test_codes_are_places_in_the_sorted_ids(names: list[str]) -> None:
    code, ids = rank_codes(categorical(names))
    expected = sorted(set(names), key=str.encode)
    assert ids.to_list() == expected
    assert code.tolist() == [expected.index(name) for name in names]


def test_ids_that_look_like_numbers_stay_apart() -> None:
    names = ["007", "7", "7.0", "1e3", "True", "null", "NaN", "-0", "18446744073709551616"]
    code, ids = rank_codes(categorical(names))
    assert len(ids) == len(names)
    assert ids.gather(code).to_list() == names


def test_compact_closes_gaps_and_keeps_order() -> None:
    code, kept = compact(np.array([5, 2, 2, 9], np.uint32), 12)
    assert code.tolist() == [1, 0, 0, 2]
    assert kept.tolist() == [2, 5, 9]


def test_compact_leaves_full_codes() -> None:
    code, kept = compact(np.array([1, 0], np.uint32), 2)
    assert (code.tolist(), kept.tolist()) == ([1, 0], [0, 1])


def test_bad_ids_by_reason() -> None:
    names = pl.Series(["ok", " ", "", "x" * LONGEST_ID, "x" * (LONGEST_ID + 1), "a\0b", " padded "])
    found = {reason: names.filter(mask).to_list() for reason, mask in bad_ids(names)}
    assert found["blank"] == [" ", ""]
    assert found["longer than 1,024 bytes"] == ["x" * (LONGEST_ID + 1)]
    assert found["with a NUL character"] == ["a\0b"]


def test_normalisation_twins_are_counted_and_kept_apart() -> None:
    names = ["caf\u00e9", "cafe\u0301", "plain", "\u00fc"]
    assert same_after_normalisation(pl.Series(names)) == 1
    assert len(rank_codes(categorical(names))[1]) == 4
