"""A sparse matrix as part of a module's state, and the choice of its largest entries.

N rows, S columns, E entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["SparseTable", "keep_largest"]


class SparseTable(nn.Module):
    """Holds a CSR matrix in buffers, so that it is stored and loaded with the weights.

    Args:
        matrix_NS: The matrix; None for an empty one that is to be loaded.
    """

    offset_N1: Tensor
    index_E: Tensor
    weight_E: Tensor
    width: Tensor

    def __init__(self, matrix_NS: csr_matrix | None = None) -> None:
        super().__init__()
        from scipy.sparse import csr_matrix

        matrix = csr_matrix((0, 0), dtype=np.float32) if matrix_NS is None else matrix_NS
        self.register_buffer("offset_N1", torch.from_numpy(matrix.indptr.astype(np.int64)))
        self.register_buffer("index_E", torch.from_numpy(matrix.indices.astype(np.int32)))
        self.register_buffer("weight_E", torch.from_numpy(matrix.data.astype(np.float32)))
        self.register_buffer("width", torch.tensor(matrix.shape[1]))

    def matrix(self) -> csr_matrix:
        """Return the matrix, NS float32."""
        from scipy.sparse import csr_matrix

        parts = (self.weight_E.cpu().numpy(), self.index_E.cpu().numpy(), self.offset_N1.cpu().numpy())
        return csr_matrix(parts, shape=(len(self.offset_N1) - 1, int(self.width)))


def keep_largest(matrix_NS: csr_matrix, most: int) -> csr_matrix:
    """Return the matrix with the `most` entries of each row largest in size, of equal ones the first columns."""
    from scipy.sparse import csr_matrix

    matrix = matrix_NS.tocsr()
    if not matrix.has_sorted_indices:
        matrix = matrix.sorted_indices()
    length_N = np.diff(matrix.indptr)
    row_E = np.repeat(np.arange(matrix.shape[0]), length_N)
    if not len(length_N) or length_N.max() <= most:
        return matrix_NS
    # The order of positive floats is that of their bits, so one integer sorts by row, then by size; sorting the numbers
    # themselves, to find each row's threshold, is many times faster than sorting places.
    bits_E = np.abs(matrix.data.astype(np.float32)).view(np.uint32)
    key_E = (row_E.astype(np.uint64) << np.uint64(32)) | (np.uint64(0xFFFFFFFF) - bits_E)
    last_N = matrix.indptr[:-1] + np.minimum(length_N, most) - 1
    threshold_E = np.repeat(np.sort(key_E)[np.maximum(last_N, 0)], length_N)
    above_E, tied_E = key_E < threshold_E, key_E == threshold_E
    room_N = np.minimum(length_N, most) - _sums(above_E, matrix.indptr)
    before_E = np.cumsum(tied_E) - tied_E
    tie_E = before_E - np.repeat(before_E[np.minimum(matrix.indptr[:-1], len(before_E) - 1)], length_N)
    kept_E = above_E | (tied_E & (tie_E < np.repeat(room_N, length_N)))
    offset_N1 = np.concatenate([[0], np.cumsum(np.minimum(length_N, most))])
    return csr_matrix((matrix.data[kept_E], matrix.indices[kept_E], offset_N1), shape=matrix.shape)


def _sums(flag_E: npt.NDArray[np.bool_], offset_N1: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    total_E1 = np.concatenate([[0], np.cumsum(flag_E)])
    return np.asarray(np.diff(total_E1[offset_N1]))
