"""`mrr` against a literal loop."""

from __future__ import annotations

import numpy as np

from reccli.metrics.mrr import MRR
from reccli.testing import MetricConformance


def literally(hits, n_relevant, k):
    for rank, hit in enumerate(hits[:k], start=1):
        if hit:
            return 1 / rank
    return 0.0


def test_equals_a_literal_loop(ranking_run):
    hit_UK, n_relevant_U, k = ranking_run
    want = [literally(hits, n, k) for hits, n in zip(hit_UK.tolist(), n_relevant_U.tolist(), strict=True)]
    np.testing.assert_allclose(MRR().per_user(hit_UK, n_relevant_U, k), want, rtol=0, atol=1e-12)


def test_ranks_beyond_k_do_not_count():
    hit_UK, n_relevant_U = np.array([[False, False, True]]), np.array([1])
    assert MRR().per_user(hit_UK, n_relevant_U, 2).tolist() == [0.0]
    assert MRR().per_user(hit_UK, n_relevant_U, 3)[0] > 0


def test_nobody_is_an_empty_array():
    assert MRR().per_user(np.empty((0, 4), bool), np.empty(0, np.int64), 3).shape == (0,)


class TestMRR(MetricConformance):
    component = "mrr"
    bounds = (0.0, 1.0)
