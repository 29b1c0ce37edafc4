"""Validation on a cold-item split: new items are ranked among themselves."""

from __future__ import annotations

import numpy as np

from reccli.api import Histories
from reccli.training.validation import Validator


def histories(user: list[int], item: list[int]) -> Histories:
    return Histories.from_arrays(user, item, n_users=2, n_items=6)


def validator(held: Histories) -> Validator:
    train = histories([0, 0, 1], [0, 1, 2])
    return Validator("ndcg@10", "ranking", train, held, np.random.default_rng(0))


def test_items_that_are_all_new_are_the_candidates() -> None:
    found = validator(histories([0, 1], [4, 5])).only_I
    assert found is not None
    assert found.tolist() == [False, False, False, False, True, True]


def test_one_known_item_among_them_keeps_the_whole_catalogue() -> None:
    assert validator(histories([0, 1], [4, 1])).only_I is None
