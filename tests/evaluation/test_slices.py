"""Slices of users and items."""

from __future__ import annotations

import numpy as np
import pytest

from reccli.api import Histories
from reccli.evaluation.slices import item_slices, keep_items, user_slices


def members(slices):
    return {name: np.flatnonzero(mask).tolist() for name, mask in slices.items()}


def test_users_by_history():
    got = members(user_slices(np.array([0, 3, 1, 9, 4, 0])))
    assert got == {"cold-users": [0, 5], "short-users": [1, 2], "long-users": [3, 4]}


def test_the_longest_short_history_can_be_given():
    got = members(user_slices(np.array([0, 3, 1, 9, 4, 0]), short_at_most=1))
    assert got == {"cold-users": [0, 5], "short-users": [2], "long-users": [1, 3, 4]}


def test_all_users_cold():
    assert members(user_slices(np.zeros(2, np.int64))) == {"cold-users": [0, 1], "short-users": [], "long-users": []}


def test_items_by_popularity_ties_by_code():
    got = members(item_slices(np.array([0, 2, 5, 5, 5, 1]), head_share=0.4))
    assert got == {"cold-items": [0], "tail-items": [1, 4, 5], "head-items": [2, 3]}


def test_ties_go_by_code_in_large_catalogues_too():
    head_I = item_slices(np.tile([1, 2], 500), head_share=0.25)["head-items"]
    np.testing.assert_array_equal(np.flatnonzero(head_I), np.arange(1, 500, 2))


@pytest.mark.parametrize("count", [[], [0, 0], [1], [3, 0, 2, 7, 7]])
def test_every_item_is_in_one_slice(count):
    masks = item_slices(np.array(count, np.int64)).values()
    np.testing.assert_array_equal(np.sum(list(masks), axis=0), np.ones(len(count)))


def test_keep_items_keeps_the_rows_of_users():
    held = Histories.from_arrays([0, 0, 2, 2], [1, 3, 0, 3], value_E=[1, 2, 3, 4], n_users=3, n_items=4)
    kept = keep_items(held, np.array([True, False, False, True]))
    assert kept.offset_U1.tolist() == [0, 1, 1, 3]
    assert kept.item_E.tolist() == [3, 0, 3]
    assert kept.value_E.tolist() == [2, 3, 4]
