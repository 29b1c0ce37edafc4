"""Cold items and users are whole on one side."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from reccli.preparation.draws import digest_ids
from reccli.preparation.splits import SplitRows, cold_item, cold_user
from reccli.preparation.splits.rows import HISTORY, TEST, TRAIN, VALID

RATIOS = (0.8, 0.1, 0.1)


def world(users: int = 30, items: int = 40, *, timed: bool = True, seed: int = 0) -> SplitRows:
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((users, items)) < 0.4)
    time = rng.permutation(len(user)) if timed else np.zeros(len(user), np.int64)
    order = np.lexsort((item, time, user))
    digest = [digest_ids(pl.Series([str(number) for number in range(size)])) for size in (users, items)]
    return SplitRows(
        user[order].astype(np.uint32), item[order].astype(np.uint32), time[order] if timed else None, *digest, seed
    )


def test_an_item_has_all_its_rows_in_one_part() -> None:
    rows = world()
    part = cold_item(rows, RATIOS)
    parts = [set(part[rows.item_E == item]) for item in range(40)]
    assert all(len(own) == 1 for own in parts)
    assert [sum(own == {wanted} for own in parts) for wanted in (TRAIN, VALID, TEST)] == [32, 4, 4]


@pytest.mark.parametrize("timed", [True, False])
def test_nothing_of_a_cold_user_is_trained_on(timed: bool) -> None:
    rows = world(timed=timed)
    part = cold_user(rows, RATIOS)
    cold = {wanted: np.unique(rows.user_E[part == wanted]) for wanted in (TRAIN, VALID, TEST, HISTORY)}
    assert [len(cold[wanted]) for wanted in (TRAIN, VALID, TEST)] == [24, 3, 3]
    assert set(cold[HISTORY]) == set(cold[VALID]) | set(cold[TEST])
    assert not set(cold[TRAIN]) & set(cold[HISTORY])


def test_the_history_of_a_cold_user_is_the_oldest_80_percent() -> None:
    rows = world()
    part = cold_user(rows, RATIOS)
    for user in np.unique(rows.user_E[part == TEST]):
        own = part[rows.user_E == user]
        held = max(1, int(len(own) * 0.2 + 1e-9))
        assert own.tolist() == [HISTORY] * (len(own) - held) + [TEST] * held


def test_a_cold_user_with_one_row_has_no_history() -> None:
    digest = digest_ids(pl.Series(["a", "b", "c"]))
    rows = SplitRows(np.arange(3, dtype=np.uint32), np.zeros(3, np.uint32), None, digest, digest[:1], 0)
    assert sorted(cold_user(rows, RATIOS)) == [TRAIN, VALID, TEST]


def test_draws_depend_on_the_seed() -> None:
    assert any(cold_item(world(seed=seed), RATIOS).tolist() != cold_item(world(), RATIOS).tolist() for seed in (1, 2))
