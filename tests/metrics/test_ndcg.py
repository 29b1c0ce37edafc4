"""`ndcg` against a literal loop."""

from __future__ import annotations

import math

import numpy as np

from reccli.metrics.ndcg import NDCG
from reccli.testing import MetricConformance


def literally(hits, n_relevant, k):
    gain = sum(1 / math.log2(rank + 1) for rank, hit in enumerate(hits[:k], start=1) if hit)
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(n_relevant, k) + 1))


def test_equals_a_literal_loop(ranking_run):
    hit_UK, n_relevant_U, k = ranking_run
    want = [literally(hits, n, k) for hits, n in zip(hit_UK.tolist(), n_relevant_U.tolist(), strict=True)]
    np.testing.assert_allclose(NDCG().per_user(hit_UK, n_relevant_U, k), want, rtol=0, atol=1e-12)


def test_ranks_beyond_k_do_not_count():
    hit_UK, n_relevant_U = np.array([[False, False, True]]), np.array([1])
    assert NDCG().per_user(hit_UK, n_relevant_U, 2).tolist() == [0.0]
    assert NDCG().per_user(hit_UK, n_relevant_U, 3)[0] > 0


def test_nobody_is_an_empty_array():
    assert NDCG().per_user(np.empty((0, 4), bool), np.empty(0, np.int64), 3).shape == (0,)


class TestNDCG(MetricConformance):
    component = "ndcg"
    bounds = (0.0, 1.0)
