"""Fused lists against a literal dictionary per user."""

from __future__ import annotations

import numpy as np
import pytest

from reccli.retrieval import fusion
from reccli.retrieval.fusion import fused_top_k


def literal(lists: list[np.ndarray], weights: list[float], k: int) -> tuple[np.ndarray, np.ndarray]:
    item_UK = np.full((len(lists[0]), k), -1)
    score_UK = np.full((len(lists[0]), k), -np.inf)
    for user in range(len(lists[0])):
        points: dict[int, float] = {}
        for row, weight in zip((one[user] for one in lists), weights, strict=True):
            for place, item in enumerate(row):
                if item >= 0 and weight > 0:
                    points[int(item)] = points.get(int(item), 0.0) + weight / (60 + place + 1)
        best = sorted(points, key=lambda item: (-np.float32(points[item]), item))[:k]
        item_UK[user, : len(best)] = best
        score_UK[user, : len(best)] = [points[item] for item in best]
    return item_UK, score_UK


@pytest.mark.parametrize("cells", [4_000_000, 40])
@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [3.0, 0.5, 0.25], [0.0, 1.0, 0.0]])
def test_lists_are_those_of_the_definition(weights: list[float], cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusion, "BLOCK_CELLS", cells)
    draw = np.random.default_rng(0)
    lists = [np.stack([draw.permutation(30)[:n] for _ in range(11)]) for n in (12, 12, 5)]
    lists[0][3] = -1
    lists[1][4, 6:] = -1
    lists[2][3:5] = -1
    lists[1][3] = -1  # one user with nothing at all
    item_UK, score_UK = fused_top_k(lists, weights, 7)
    expected = literal(lists, weights, 7)
    np.testing.assert_array_equal(item_UK, expected[0])
    np.testing.assert_allclose(score_UK, expected[1], rtol=1e-6)


def test_swapped_places_tie_and_the_lower_code_is_first() -> None:
    item_UK, score_UK = fused_top_k([np.array([[5, 2]]), np.array([[2, 5]])], [1.0, 1.0], 2)
    assert item_UK.tolist() == [[2, 5]]
    assert score_UK[0, 0] == score_UK[0, 1]
    assert fused_top_k([np.array([[5, 2]]), np.array([[2, 5]])], [1.0, 0.9], 2)[0].tolist() == [[5, 2]]


def test_no_users_and_no_items() -> None:
    assert fused_top_k([np.empty((0, 3), np.int64)], [1.0], 2)[0].shape == (0, 2)
    assert fused_top_k([np.full((2, 3), -1)], [1.0], 2)[0].tolist() == [[-1, -1], [-1, -1]]
