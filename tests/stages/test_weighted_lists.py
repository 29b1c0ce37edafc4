"""Lists by weighted sums against sorting all items, where candidates are enough and where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from reccli.api.data import Histories
from reccli.api.vectors import MixedVectors
from reccli.stages import weighted_lists
from reccli.stages.weighted_lists import WeightedLists, best_items

USERS, ITEMS, K = 13, 60, 5
POINTS = [(1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.4, 0.4, 0.2), (1 / 3, 1 / 3, 1 / 3), (0.0, 0.5, 0.5)]


def literal(score_I: np.ndarray, k: int) -> list[int]:
    finite = [item for item in range(len(score_I)) if score_I[item] > -np.inf]
    best = sorted(finite, key=lambda item: (-np.float32(score_I[item]), item))[:k]
    return best + [-1] * (k - len(best))


World = tuple[list[tuple[np.ndarray, np.ndarray]], Histories, np.ndarray]


@pytest.fixture
def world() -> World:
    """Three runs of few levels of scores, so that many are equal; some items out of reach, and seen ones."""
    draw = np.random.default_rng(2)
    terms = [
        (draw.integers(-2, 3, (USERS, 2)).astype(np.float32), draw.integers(-2, 3, (ITEMS, 2)).astype(np.float32))
        for _ in range(3)
    ]
    user_E, item_E = np.nonzero(draw.random((USERS, ITEMS)) < 0.2)
    seen = Histories.from_arrays(user_E, item_E, n_users=USERS, n_items=ITEMS)
    return terms, seen, draw.random((3, ITEMS)) < 0.8


def few_candidates(monkeypatch: pytest.MonkeyPatch, best: int) -> None:
    monkeypatch.setattr(weighted_lists, "BEST", best)
    monkeypatch.setattr(weighted_lists, "BEST_PER_PLACE", 0)


def scored_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the users whose items are scored, call by call."""
    asked: list[int] = []
    real = WeightedLists._scores

    def scores(self: WeightedLists, rows: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return real(self, rows)

    monkeypatch.setattr(WeightedLists, "_scores", scores)
    return asked


@pytest.mark.parametrize("best", [1, 5, 12, 19, 100])
@pytest.mark.parametrize("cells", [20_000_000, 500])
def test_lists_are_those_of_all_items(world: World, monkeypatch: pytest.MonkeyPatch, best: int, cells: int) -> None:
    terms, seen, reach_MI = world
    monkeypatch.setattr(weighted_lists, "BLOCK_CELLS", cells)
    few_candidates(monkeypatch, best)
    got = WeightedLists(terms, seen, reach_MI, K).of(POINTS)
    for point, item_VK in zip(POINTS, got, strict=True):
        total_UI = np.zeros((USERS, ITEMS))
        for weight, (users, items) in zip(point, terms, strict=True):
            total_UI += weight * (users.astype(np.float64) @ items.T)
        total_UI[:, ~reach_MI[np.array(point) > 0].any(axis=0)] = -np.inf
        total_UI[seen.user_E, seen.item_E] = -np.inf
        assert item_VK.tolist() == [literal(total_UI[user], K) for user in range(USERS)]


def test_runs_that_agree_are_scored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(3)
    users, items = draw.normal(size=(USERS, 4)).astype(np.float32), draw.normal(size=(ITEMS, 4)).astype(np.float32)
    terms = [(users, items + 0.01 * draw.normal(size=items.shape).astype(np.float32)) for _ in range(3)]
    nothing = Histories.from_arrays([], [], n_users=USERS, n_items=ITEMS)
    few_candidates(monkeypatch, 12)
    asked = scored_rows(monkeypatch)
    WeightedLists(terms, nothing, np.ones((3, ITEMS), np.bool_), K).of(POINTS)
    assert asked == [USERS]


def test_runs_that_do_not_are_scored_anew_where_candidates_may_miss_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rank_I = np.arange(ITEMS, dtype=np.float32)
    terms = [(np.ones((1, 1), np.float32), rank_I[:, None]), (np.ones((1, 1), np.float32), rank_I[::-1, None].copy())]
    nothing = Histories.from_arrays([], [], n_users=1, n_items=ITEMS)
    few_candidates(monkeypatch, 6)
    asked = scored_rows(monkeypatch)
    got = WeightedLists(terms, nothing, np.ones((2, ITEMS), np.bool_), K).of([(0.5, 0.5), (1.0, 0.0)])
    assert got[:, 0].tolist() == [[0, 1, 2, 3, 4], [59, 58, 57, 56, 55]]  # all are equal; the first run's own
    assert asked == [1, 1]


def test_sparse_parts_count(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    terms, seen, reach_MI = world
    few_candidates(monkeypatch, 12)

    def mixed(vectors: np.ndarray) -> MixedVectors:
        return MixedVectors(vectors[:, :1], csr_matrix(vectors[:, 1:]))

    dense = WeightedLists(terms, seen, reach_MI, K).of(POINTS)
    sparse = WeightedLists([(mixed(users), mixed(items)) for users, items in terms], seen, reach_MI, K).of(POINTS)
    np.testing.assert_array_equal(dense, sparse)


def test_nobody_gets_no_list(world: World) -> None:
    terms, _, reach_MI = world
    nobody = Histories.from_arrays([], [], n_users=0, n_items=ITEMS)
    assert WeightedLists([(users[:0], items) for users, items in terms], nobody, reach_MI, K).of(POINTS).shape == (
        5,
        0,
        5,
    )


@pytest.mark.parametrize("k", [1, 4, 9])
def test_the_best_items_are_in_the_order_of_lists(k: int) -> None:
    draw = np.random.default_rng(1)
    score_BC = draw.integers(-3, 4, (40, 6)).astype(np.float64) * 1e-3
    score_BC[draw.random(score_BC.shape) < 0.3] = -np.inf
    score_BC[0] = -np.inf
    score_BC[1] = [-0.0, 0.0, 1e-30, -1e-30, 5.0, 5.0 + 1e-12]
    code_BC = np.argsort(draw.random((40, 9)), axis=1)[:, :6]
    item_BK, last_B = best_items(score_BC, code_BC, k)
    for scores, codes, items, last in zip(score_BC, code_BC, item_BK, last_B, strict=True):
        score_I = np.full(9, -np.inf)
        score_I[codes] = scores
        wanted = literal(score_I, k)
        assert items.tolist() == wanted
        assert last == (np.float32(score_I[wanted[-1]]) if wanted[-1] >= 0 else -np.inf)
