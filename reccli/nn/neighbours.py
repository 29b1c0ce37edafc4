"""Similarities of the rows of a sparse matrix to the rows of another, the nearest kept. N rows, M others, C columns."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reccli.nn.sparse_table import keep_largest

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["LARGEST", "WEIGHTINGS", "by_power", "nearest", "power_of", "weighted"]

Float32 = npt.NDArray[np.float32]
LARGEST = 1e28
"""Of a power: float32 holds it times the largest of settings."""
BLOCK_ENTRIES = 20_000_000
"""Entries of a block of products before the nearest are chosen."""
WEIGHTINGS = ("none", "tf-idf", "bm25")
BM25_K1, BM25_B = 1.2, 0.75


def weighted(matrix_NC: csr_matrix, weighting: str, *, fitted_on: csr_matrix | None = None) -> csr_matrix:
    """Return the matrix with its entries weighted as a search engine weights words (columns) of documents (rows).

    ::

        tf-idf:  sqrt(x) log(N / (1 + n_c))
        bm25:    x (k1 + 1) / (x + k1 (1 - b + b |row| / mean |row|)) log(1 + (N - n_c + 1/2) / (n_c + 1/2))

    with `n_c` the rows that have column c, k1 = 1.2 and b = 0.75.

    Args:
        matrix_NC: The matrix.
        weighting: One of `WEIGHTINGS`.
        fitted_on: Where N, `n_c` and the mean length come from; the matrix itself without it.
    """
    from scipy.sparse import csr_matrix

    if weighting == "none":
        return matrix_NC
    basis = matrix_NC if fitted_on is None else fitted_on
    rows = max(basis.shape[0], 1)
    met_C = np.bincount(basis.indices, minlength=basis.shape[1]).astype(np.float64)
    x_E, length_N = matrix_NC.data.astype(np.float64), np.diff(matrix_NC.indptr)
    if weighting == "tf-idf":
        value_E = np.sqrt(np.abs(x_E)) * np.maximum(np.log(rows / (1.0 + met_C)), 0.0)[matrix_NC.indices]
    else:
        mean = max(basis.nnz / rows, 1e-12)
        length_E = np.repeat(length_N, length_N)
        saturated_E = x_E * (BM25_K1 + 1) / (x_E + BM25_K1 * (1 - BM25_B + BM25_B * length_E / mean))
        value_E = saturated_E * np.log1p((rows - met_C + 0.5) / (met_C + 0.5))[matrix_NC.indices]
    return csr_matrix((value_E.astype(np.float32), matrix_NC.indices, matrix_NC.indptr), shape=matrix_NC.shape)


def power_of(size_N: npt.NDArray[np.floating], power: float) -> npt.NDArray[np.float64]:
    """Return size^power, 0 where the size is 0, and no more than float32 has room for."""
    out_N = np.zeros(len(size_N))
    with np.errstate(over="ignore"):  # sizes near 0: of weights that age has taken
        np.power(size_N, power, out=out_N, where=size_N > 0)
    return np.minimum(out_N, LARGEST)


def by_power(matrix_NC: csr_matrix, size_N: npt.NDArray[np.floating], power: float) -> csr_matrix:
    """Return the matrix with each row times a power of its size."""
    from scipy.sparse import diags_array

    return (diags_array(power_of(size_N, power).astype(np.float32)) @ matrix_NC).tocsr()


def nearest(
    matrix_NC: csr_matrix,
    others_MC: csr_matrix,
    most: int,
    *,
    shrink: float = 0.0,
    same: bool = False,
) -> csr_matrix:
    """Return the products of rows with the rows of another matrix, only the largest of each row kept, NM.

    ::

        s_nm = x_n . y_m * o_nm / (o_nm + shrink)        with o_nm the columns that both have

    Blocks of rows bound the memory: no more than about 20 million products are held at once.

    Args:
        matrix_NC: Rows to find neighbours for.
        others_MC: Rows to find them among.
        most: Neighbours kept, of equal ones the first.
        shrink: Shared columns at which a similarity counts half; 0 for none.
        same: Whether both are the same rows, so that a row is no neighbour of its own.
    """
    from scipy.sparse import csr_matrix, vstack

    turned_CM = others_MC.T.tocsr()
    height_C = np.diff(turned_CM.indptr)
    cost_N = np.add.reduceat(
        np.append(height_C[matrix_NC.indices], 0), np.minimum(matrix_NC.indptr[:-1], matrix_NC.nnz)
    ) * (np.diff(matrix_NC.indptr) > 0)
    edge_N = np.cumsum(cost_N) // BLOCK_ENTRIES
    starts = [0, *(np.flatnonzero(np.diff(edge_N)) + 1).tolist(), matrix_NC.shape[0]]
    parts = []
    for low, high in pairwise(starts):
        block = matrix_NC[low:high]
        product = (block @ turned_CM).tocsr()
        if same:
            row_E = np.repeat(np.arange(low, high), np.diff(product.indptr))
            product.data[product.indices == row_E] = 0.0
        if shrink:
            shared = (_ones(block) @ _ones(turned_CM)).tocsr()
            shared.data /= shared.data + np.float32(shrink)
            product = product.multiply(shared).tocsr()
        product.eliminate_zeros()
        product.sort_indices()
        parts.append(keep_largest(product, most))
    if not parts:
        return csr_matrix((0, others_MC.shape[0]), dtype=np.float32)
    return vstack(parts, format="csr").astype(np.float32)


def _ones(matrix: csr_matrix) -> csr_matrix:
    ones = matrix.copy()
    ones.data = np.ones_like(ones.data, dtype=np.float32)
    return ones
