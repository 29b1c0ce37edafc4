"""Vectors of two parts behave as the two parts side by side."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from reccli.api.vectors import MixedVectors, any_numbers, join_rows, pair_products


def some(rows: int = 4) -> MixedVectors:
    draw = np.random.default_rng(rows)
    sparse_NS = draw.normal(size=(rows, 5)) * (draw.random((rows, 5)) < 0.4)
    sparse_NS[0] = 0
    dense_ND = draw.normal(size=(rows, 2)).astype(np.float32)
    dense_ND[0] = 0
    return MixedVectors(dense_ND, csr_matrix(sparse_NS.astype(np.float32)))


def full(vectors: MixedVectors) -> np.ndarray:
    return np.concatenate([vectors.dense_ND, vectors.sparse_NS.toarray()], axis=1)


def test_it_is_both_parts() -> None:
    vectors = some()
    assert vectors.shape == (4, 7)
    np.testing.assert_allclose(vectors.norms(), np.linalg.norm(full(vectors), axis=1), rtol=1e-6)
    np.testing.assert_array_equal(full(vectors[[2, 0]]), full(vectors)[[2, 0]])
    assert any_numbers(vectors).tolist() == [False, True, True, True]
    assert any_numbers(full(vectors)).tolist() == [False, True, True, True]
    assert vectors.finite


def test_products_and_rows() -> None:
    one, other = some(), some()[[3, 2, 1, 0]]
    np.testing.assert_allclose(pair_products(one, other), (full(one) * full(other)).sum(1), rtol=1e-6)
    np.testing.assert_array_equal(pair_products(full(one), full(one)), (full(one).astype(np.float64) ** 2).sum(1))
    np.testing.assert_array_equal(full(join_rows([one, other])), np.concatenate([full(one), full(other)]))
    np.testing.assert_array_equal(join_rows([full(one), full(other)]), np.concatenate([full(one), full(other)]))


def test_parts_have_equal_rows() -> None:
    with pytest.raises(ValueError, match="2 dense rows, 3 sparse ones"):
        MixedVectors(np.zeros((2, 1), np.float32), csr_matrix((3, 3), dtype=np.float32))
