"""`precision` against a literal loop."""

from __future__ import annotations

import numpy as np

from reccli.metrics.precision import Precision
from reccli.testing import MetricConformance


def literally(hits, n_relevant, k):
    return sum(hits[:k]) / k


def test_equals_a_literal_loop(ranking_run):
    hit_UK, n_relevant_U, k = ranking_run
    want = [literally(hits, n, k) for hits, n in zip(hit_UK.tolist(), n_relevant_U.tolist(), strict=True)]
    np.testing.assert_allclose(Precision().per_user(hit_UK, n_relevant_U, k), want, rtol=0, atol=1e-12)


def test_ranks_beyond_k_do_not_count():
    hit_UK, n_relevant_U = np.array([[False, False, True]]), np.array([1])
    assert Precision().per_user(hit_UK, n_relevant_U, 2).tolist() == [0.0]
    assert Precision().per_user(hit_UK, n_relevant_U, 3)[0] > 0


def test_nobody_is_an_empty_array():
    assert Precision().per_user(np.empty((0, 4), bool), np.empty(0, np.int64), 3).shape == (0,)


class TestPrecision(MetricConformance):
    component = "precision"
    bounds = (0.0, 1.0)
