"""Exact top-k with a sparse part, against a literal sort of the full scores."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from reccli.api import Histories, MixedVectors
from reccli.errors import DamagedArtifactError
from reccli.retrieval.topk import rank_of, top_k


def mixed(draw: np.random.Generator, rows: int, dense: int, sparse: int, *, whole: bool) -> MixedVectors:
    dense_ND = draw.integers(-2, 3, (rows, dense)) if whole else draw.normal(size=(rows, dense))
    sparse_NS = draw.integers(-2, 3, (rows, sparse)) * (draw.random((rows, sparse)) < 0.2)
    return MixedVectors(dense_ND.astype(np.float32), csr_matrix(sparse_NS.astype(np.float32)))


def full(vectors: MixedVectors) -> np.ndarray:
    return np.concatenate([vectors.dense_ND, vectors.sparse_NS.toarray()], axis=1).astype(np.float64)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("dense", [0, 3])
@pytest.mark.parametrize("max_bytes", [1, 50_000, 1 << 28])
@pytest.mark.parametrize("n_items", [5, 90])
def test_equals_a_sort(whole: bool, dense: int, max_bytes: int, n_items: int) -> None:
    draw = np.random.default_rng(3)
    user, item = mixed(draw, 17, dense, 30, whole=whole), mixed(draw, n_items, dense, 30, whole=whole)
    seen = Histories.from_arrays(
        draw.integers(17, size=40), draw.integers(n_items, size=40), n_users=17, n_items=n_items
    )
    allowed_I = draw.random(n_items) < 0.8
    score_UI = (full(user) @ full(item).T).astype(np.float32)
    got_UK, value_UK = top_k(user, item, k=6, seen=seen, allowed_I=allowed_I, max_bytes=max_bytes)
    for row, score_I in enumerate(score_UI):
        left_out = set(seen.rows([row]).item_E.tolist())
        ranking = sorted((-s, i) for i, s in enumerate(score_I) if i not in left_out and allowed_I[i])[:6]
        assert got_UK[row].tolist() == [i for _, i in ranking] + [-1] * (6 - len(ranking))
        np.testing.assert_allclose(value_UK[row][: len(ranking)], [-s for s, _ in ranking], rtol=1e-6, atol=1e-7)


def test_ranks_are_counted() -> None:
    draw = np.random.default_rng(4)
    user, item = mixed(draw, 9, 0, 20, whole=True), mixed(draw, 30, 0, 20, whole=True)
    pairs = Histories.from_arrays(np.arange(9), draw.integers(30, size=9), n_users=9, n_items=30)
    found = rank_of(user, item, pairs)
    score_UI = full(user) @ full(item).T
    for row, target in enumerate(pairs.item_E):
        assert found.above_E[row] == (score_UI[row] > score_UI[row, target]).sum()
        assert found.tied_E[row] == (score_UI[row] == score_UI[row, target]).sum() - 1


def test_numbers_that_are_not_finite_are_refused() -> None:
    bad = MixedVectors(np.zeros((2, 0), np.float32), csr_matrix(np.array([[1.0, 0.0], [np.nan, 0.0]], np.float32)))
    with pytest.raises(DamagedArtifactError, match="1 of 2 item vectors are not finite, the first one is item 1"):
        top_k(bad[:1], bad, k=1)


def test_only_one_sparse_side_is_refused() -> None:
    item = mixed(np.random.default_rng(5), 4, 2, 3, whole=True)
    with pytest.raises(ValueError, match="only one"):
        top_k(np.zeros((1, 5), np.float32), item, k=1)
