"""The sample of train rows that fitting is measured on: how much of whom, and that the rest is the rest."""

from __future__ import annotations

import numpy as np

from reccli.api import Histories
from reccli.training.fit_sample import split_fitted


def histories(user: list[int], item: list[int], time: list[int] | None = None) -> Histories:
    return Histories.from_arrays(user, item, n_users=4, n_items=30, time_E=time)


def pairs(rows: Histories) -> list[tuple[int, int]]:
    return list(zip(rows.user_E.tolist(), rows.item_E.tolist(), strict=True))


def test_each_user_gives_as_many_pairs_as_are_held_out_but_one_stays() -> None:
    user, item = [0] * 10 + [1] * 3 + [2] + [3] * 5, [*range(10), *range(3), 0, *range(5)]
    train = histories(user, item)
    held = histories([0, 0, 0, 1, 1, 1, 1, 2], [10, 11, 12, 3, 4, 5, 6, 7])
    held = histories([*held.user_E, 0], [*held.item_E, 0])  # one item that is known keeps it a split of rows
    rest, sample = split_fitted(train, held, np.random.default_rng(0))
    assert sample.length_U.tolist() == [4, 2, 0, 0]
    assert sorted(pairs(rest) + pairs(sample)) == sorted(pairs(train))
    other = split_fitted(train, held, np.random.default_rng(1))[1]
    assert pairs(other) != pairs(sample)
    same = split_fitted(train, held, np.random.default_rng(0))[1]
    assert pairs(same) == pairs(sample)


def test_all_rows_of_a_pair_go_together() -> None:
    train = histories([0] * 6, [0, 0, 1, 1, 2, 2], [5, 1, 4, 2, 3, 6])
    rest, sample = split_fitted(train, histories([0], [1]), np.random.default_rng(0))
    assert len(sample) == 2
    assert len(set(sample.item_E.tolist())) == 1
    assert not set(sample.item_E.tolist()) & set(rest.item_E.tolist())
    assert sample.time_E[0] < sample.time_E[1]


def test_where_items_are_held_out_whole_items_are_drawn() -> None:
    train = histories([0, 1, 2, 3] * 5, [*range(20)])
    rest, sample = split_fitted(train, histories([0, 1, 2], [25, 26, 27]), np.random.default_rng(0))
    assert len(set(sample.item_E.tolist())) == 3
    assert not set(sample.item_E.tolist()) & set(rest.item_E.tolist())
    assert sorted(pairs(rest) + pairs(sample)) == sorted(pairs(train))


def test_nothing_held_out_draws_nothing() -> None:
    train = histories([0, 1], [0, 1])
    rest, sample = split_fitted(train, histories([], []), np.random.default_rng(0))
    assert (len(rest), len(sample)) == (2, 0)
