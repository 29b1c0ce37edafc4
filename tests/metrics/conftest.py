"""Random inputs for the literal oracles, small and full of ties."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(params=range(12))
def ranking_run(request):
    """Hits of a few users' lists, their numbers of relevant items, and a cut-off."""
    rng = np.random.default_rng(request.param)
    hit_UK = rng.random((9, 12)) < rng.choice([0.1, 0.5, 0.9])
    n_relevant_U = np.maximum(hit_UK.sum(axis=1), 1) + rng.integers(0, 5, 9)
    return hit_UK, n_relevant_U, int(rng.integers(1, 13))


@pytest.fixture(params=range(12))
def rating_rows(request):
    """True and predicted ratings on 1 to 5."""
    rng = np.random.default_rng(request.param)
    rows = int(rng.integers(1, 40))
    return rng.integers(1, 6, rows).astype(np.float64), rng.integers(0, 25, rows) / 4


@pytest.fixture(params=range(12))
def label_rows(request):
    """Labels of both classes and tied probabilities."""
    rng = np.random.default_rng(request.param)
    rows = int(rng.integers(2, 40))
    label_R = rng.integers(0, 2, rows).astype(np.float64)
    label_R[:2] = 0, 1
    return label_R, rng.integers(0, 6, rows) / 5


@pytest.fixture(params=range(12))
def catalogue_run(request):
    """Lists with missing ranks, training counts with cold items, training users, and a cut-off."""
    rng = np.random.default_rng(request.param)
    item_UK = np.array([rng.permutation(10)[:6] for _ in range(7)])
    item_UK[np.arange(6) >= rng.integers(0, 7, 7)[:, None]] = -1
    item_UK[0, 0] = 3
    return item_UK, rng.integers(0, 6, 10), 5, int(rng.integers(1, 7))
