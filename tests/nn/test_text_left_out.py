"""Items left out: three disjoint fifths of what training saw, with nothing of them in what is kept."""

from __future__ import annotations

import numpy as np
import torch

from reccli.api import Context, Histories
from reccli.nn.text_left_out import leave_out

RNG = np.random.default_rng(0)
USER, ITEM = np.nonzero(RNG.random((30, 120)) < np.where(np.arange(120) < 100, 0.3, 0.0))
TRAIN = Histories.from_arrays(USER, ITEM, n_users=30, n_items=120)


def test_three_disjoint_fifths() -> None:
    warm = np.flatnonzero(np.bincount(TRAIN.item_E, minlength=120))
    drawn = leave_out(TRAIN, Context(seed=1).numpy_generator)
    assert [len(left.item_J) for left in drawn] == [len(warm) // 5] * 3
    together = np.concatenate([left.item_J for left in drawn])
    assert len(set(together)) == len(together)
    assert set(together) <= set(warm)
    for left in drawn:
        assert not np.isin(left.kept.item_E, left.item_J).any()
        gone = np.isin(TRAIN.item_E, left.item_J).sum()
        assert len(left.kept) + gone == len(TRAIN)
        assert left.history.n_users == left.wanted.n_users


def test_the_value_is_one_for_a_perfect_order_and_low_for_the_opposite() -> None:
    left = leave_out(TRAIN, Context(seed=1).numpy_generator)[0]
    liked_HJ = torch.from_numpy(left.wanted.to_scipy("ones").toarray().astype(np.float32)).clamp(max=1)
    eye_JJ = torch.eye(len(left.item_J))
    assert left.value(liked_HJ, eye_JJ) == 1.0
    assert left.value(-liked_HJ, eye_JJ) < 0.5  # a list of 20 of 20 items has them all, at its end


def test_too_few_items_leave_nothing_out() -> None:
    train = Histories.from_arrays(np.zeros(10), np.arange(10), n_users=2, n_items=20)
    assert leave_out(train, Context().numpy_generator) == []
