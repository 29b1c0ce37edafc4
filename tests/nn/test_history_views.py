"""Histories cut, hidden and shuffled, against their definitions row by row."""

from __future__ import annotations

import numpy as np
import pytest

from reccli.api import Histories
from reccli.nn.history_views import CROP, MASK, REORDER, augmented, before_rows, joined, newest, only, same_items

LENGTHS = (0, 1, 2, 7, 20)


def world() -> Histories:
    user = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    item = np.concatenate([100 * n + np.arange(length) for n, length in enumerate(LENGTHS)])
    time = np.arange(len(user))
    return Histories.from_arrays(user, item, n_users=len(LENGTHS), n_items=500, value_E=item, time_E=time)


def rows(histories: Histories) -> list[list[int]]:
    return [part.tolist() for part in np.split(histories.item_E, histories.offset_U1[1:-1])]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 1.0])
def test_each_way(share: float) -> None:
    histories = world()
    seen: set[tuple[int, ...]] = set()
    for seed in range(30):
        for way in (CROP, MASK, REORDER):
            ways = np.full(len(LENGTHS), way)
            got = augmented(histories, ways, (share, share, share), np.random.default_rng(seed))
            assert (got.value_E == got.item_E).all()  # values and times stay with their entries
            for n, (items, length) in enumerate(zip(rows(got), LENGTHS, strict=True)):
                own = [100 * n + place for place in range(length)]
                count = int(share * length + 1e-9)
                weights = got.weight_E[got.offset_U1[n] : got.offset_U1[n + 1]].tolist()
                if way == CROP:
                    count = min(max(count, 1), length)
                    assert items == own[own.index(items[0]) :][:count] if length else items == []
                    assert weights == [1.0] * count
                elif way == MASK:
                    assert items == own
                    assert weights.count(0.0) == count
                else:
                    assert sorted(items) == own
                    moved = [place for place, item in enumerate(items) if item != own[place]]
                    assert not moved or moved[-1] - moved[0] < count
                    assert weights == [1.0] * length
                if n == 4 and way == REORDER:
                    seen.add(tuple(items))
    assert (histories.weight_E == 1).all()
    assert len(seen) > 5


def test_ways_of_one_call_do_not_touch_each_other() -> None:
    histories = world()
    got = augmented(histories, np.array([CROP, MASK, REORDER, CROP, MASK]), (0.5, 0.5, 0.5), np.random.default_rng(1))
    assert [len(items) for items in rows(got)] == [0, 1, 2, 3, 20]
    assert got.weight_E[got.offset_U1[4] :].tolist().count(0.0) == 10
    assert (got.weight_E[: got.offset_U1[4]] == 1).all()


def test_pieces_begin_anywhere() -> None:
    histories, starts = world(), set()
    for seed in range(200):
        got = augmented(histories, np.full(5, CROP), (0.6, 0.0, 0.0), np.random.default_rng(seed))
        starts.add(rows(got)[3][0] - 300)
    assert starts == {0, 1, 2, 3}  # four of seven entries


def test_newest_and_only() -> None:
    assert rows(newest(world(), 3)) == [[], [100], [200, 201], [304, 305, 306], [417, 418, 419]]
    got = only(world(), world().item_E % 2 == 0)
    assert rows(got) == [[], [100], [200], [300, 302, 304, 306], list(range(400, 420, 2))]


def test_joined() -> None:
    both = joined(world(), newest(world(), 1))
    assert rows(both) == [*rows(world()), [], [100], [201], [306], [419]]
    assert both.n_items == 500


@pytest.mark.parametrize("ordered", [True, False])
def test_before_rows(ordered: bool) -> None:
    histories = world()
    row = np.array([3, 0, 9, 29])  # of users 3, 1, 3 and 4
    got = before_rows(histories, row, ordered=ordered, most=4)
    if ordered:
        assert rows(got) == [[], [], [302, 303, 304, 305], [415, 416, 417, 418]]
        return
    assert rows(got) == [rows(histories)[user] for user in (3, 1, 3, 4)]
    hidden = got.item_E[got.weight_E == 0].tolist()
    assert hidden == histories.item_E[row].tolist()
    assert (histories.weight_E == 1).all()


def test_same_items() -> None:
    first = Histories.from_arrays([0, 0, 1, 1, 2], [1, 2, 3, 3, 4], n_users=4, n_items=9)
    second = Histories(
        np.array([0, 2, 3, 5, 5]),
        np.array([2, 1, 3, 4, 5]),
        np.ones(5, np.float32),
        np.array([1, 1, 1, 1, 0], np.float32),
        np.zeros(5, np.int64),
        9,
    )
    expected = np.zeros((4, 4), bool)
    expected[0, 0] = expected[2, 2] = expected[3, 3] = True  # any order; hidden entries do not show; both empty
    assert (same_items(first, second) == expected).all()
