"""A CSR matrix in the state of a module; the largest entries of rows."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, random_array

from reccli.nn.sparse_table import SparseTable, keep_largest


def test_the_state_holds_the_matrix() -> None:
    matrix = csr_matrix(random_array((5, 7), density=0.4, rng=np.random.default_rng(1), dtype=np.float32))
    table = SparseTable(matrix)
    state = table.state_dict()
    empty = SparseTable()
    for name, value in state.items():
        setattr(empty, name, value)
    assert (empty.matrix() != matrix).nnz == 0
    assert empty.matrix().shape == (5, 7)


def test_rows_keep_their_largest_entries() -> None:
    draw = np.random.default_rng(2)
    dense = draw.integers(-4, 5, (20, 12)) * (draw.random((20, 12)) < 0.6)
    got = keep_largest(csr_matrix(dense.astype(np.float32)), 3).toarray()
    for row, kept in zip(dense, got, strict=True):
        order = sorted((column for column in range(12) if row[column]), key=lambda column: (-abs(row[column]), column))
        wanted = np.zeros(12)
        wanted[order[:3]] = row[order[:3]]
        np.testing.assert_array_equal(kept, wanted)


def test_short_rows_stay() -> None:
    matrix = csr_matrix(np.eye(4, dtype=np.float32))
    assert keep_largest(matrix, 1) is matrix
    assert keep_largest(csr_matrix((0, 4), dtype=np.float32), 1).shape == (0, 4)
