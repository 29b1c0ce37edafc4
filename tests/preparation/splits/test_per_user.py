"""Temporal, random and leave-one-out: shares, order, and independence of everything but ids and seed."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reccli.errors import ConfigError
from reccli.preparation.draws import digest_ids
from reccli.preparation.splits import SplitRows, leave_one_out, random, temporal
from reccli.preparation.splits.rows import TEST, TRAIN, VALID, part_counts, shares

RATIOS = (0.8, 0.1, 0.1)
WORLD = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30), st.integers(0, 9)), max_size=80)


def world(rows: list[tuple[int, int, int]], *, timed: bool = True, seed: int = 42) -> SplitRows:
    """Rows (user, item, time), pairs once, sorted as the stage sorts them."""
    once = list({(user, item): (user, item, time) for user, item, time in rows}.values())
    once.sort(key=lambda row: (row[0], row[2], row[1]) if timed else (row[0], row[1]))
    user, item, time = np.array(once, np.int64).reshape(-1, 3).T
    ids = pl.Series([str(number) for number in range(100)])
    digest = digest_ids(ids)
    return SplitRows(user.astype(np.uint32), item.astype(np.uint32), time if timed else None, digest, digest, seed)


def test_temporal_by_hand() -> None:
    rows = world([(0, item, 10 - item) for item in range(10)] + [(1, 0, 1), (1, 1, 2)])
    part = temporal(rows, RATIOS)
    assert rows.item_E.tolist() == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 1]
    assert part.tolist() == [TRAIN] * 8 + [VALID, TEST] + [TRAIN] * 2


def test_ties_of_time_are_broken_by_item() -> None:
    rows = world([(0, 3, 5), (0, 1, 5), (0, 2, 5)])
    assert rows.item_E[leave_one_out(rows) == TEST].tolist() == [3]


@given(WORLD)
def test_nothing_in_train_is_later_than_validation_or_test(triples: list[tuple[int, int, int]]) -> None:
    rows = world(triples)
    part = temporal(rows, RATIOS)
    for user in np.unique(rows.user_E):
        time, own = rows.time_E[rows.user_E == user], part[rows.user_E == user]
        assert (np.diff(own.astype(int)) >= 0).all()  # train, then valid, then test, along the user's time
        assert (np.diff(time) >= 0).all()
        n = len(own)
        expected = [0, 0] if n < 3 else [max(1, int(n * 0.1 + 1e-9))] * 2
        assert [(own == VALID).sum(), (own == TEST).sum()] == expected


@given(WORLD, st.booleans())
def test_leave_one_out_takes_one_each(triples: list[tuple[int, int, int]], timed: bool) -> None:
    rows = world(triples, timed=timed)
    part = leave_one_out(rows)
    for user in np.unique(rows.user_E):
        own = part[rows.user_E == user]
        assert [(own == VALID).sum(), (own == TEST).sum()] == ([1, 1] if len(own) >= 3 else [0, 0])
        if timed and len(own) >= 3:
            assert own[-2:].tolist() == [VALID, TEST]


@given(WORLD)
def test_random_meets_the_shares_of_every_user(triples: list[tuple[int, int, int]]) -> None:
    rows = world(triples)
    part = random(rows, (0.6, 0.2, 0.2))
    for user in np.unique(rows.user_E):
        own = part[rows.user_E == user]
        expected = 0 if len(own) < 3 else max(1, int(len(own) * 0.2 + 1e-9))
        assert [(own == VALID).sum(), (own == TEST).sum()] == [expected, expected]


def drawn(rows: SplitRows) -> dict[tuple[int, int], int]:
    return dict(zip(zip(rows.user_E, rows.item_E, strict=True), random(rows, RATIOS), strict=True))


@pytest.mark.fault(135)
def test_random_is_the_same_whatever_else_is_there() -> None:
    triples = [(user, item, item * user % 7) for user in range(4) for item in range(25)]
    whole = drawn(world(triples))
    assert drawn(world(triples, timed=False)) == whole  # another order of rows
    without = drawn(world([row for row in triples if row[0] != 2]))  # another set of users
    assert without == {pair: part for pair, part in whole.items() if pair[0] != 2}


@pytest.mark.fault(137)
def test_another_seed_is_another_draw() -> None:
    triples = [(user, item, 0) for user in range(4) for item in range(25)]
    assert drawn(world(triples, seed=1)) != drawn(world(triples, seed=2))


def test_random_is_even_over_items() -> None:
    rows = world([(user, item, 0) for user in range(100) for item in range(50)], timed=False)
    count = np.bincount(rows.item_E[random(rows, RATIOS) == TEST], minlength=50)
    assert count.sum() == 500
    assert 1 <= count.min() <= count.max() <= 25  # 10 expected of each


def test_temporal_without_time_is_refused() -> None:
    with pytest.raises(ConfigError, match="split 'temporal' needs times"):
        temporal(world([(0, 0, 0)], timed=False), RATIOS)


def test_shares_are_scaled_and_checked() -> None:
    assert shares((8, 1, 1)) == pytest.approx(RATIOS)
    assert shares((1, 0, 0)) == (1, 0, 0)
    for wrong in ((0.0, 0.5, 0.5), (1.0, -0.1, 0.1), (float("nan"), 0.1, 0.1)):
        with pytest.raises(ConfigError, match="not shares"):
            shares(wrong)


@pytest.mark.parametrize(
    ("length", "share", "expected"),
    [(2, 0.1, 0), (3, 0.1, 1), (29, 0.1, 2), (30, 0.1, 3), (100, 0.29, 29), (10, 0.0, 0)],
)
def test_counts_are_rounded_down(length: int, share: float, expected: int) -> None:
    assert part_counts(np.array([length]), share).tolist() == [expected]
