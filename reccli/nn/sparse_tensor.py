"""SciPy's sparse matrices as torch's."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["to_torch"]


def to_torch(matrix: csr_matrix) -> Tensor:
    """Return a SciPy CSR matrix as a torch CSR tensor, float32, on the CPU; its places in int32 where these suffice."""
    kind = np.int32 if max(matrix.nnz, *matrix.shape) <= np.iinfo(np.int32).max else np.int64
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(kind)),
            torch.from_numpy(matrix.indices.astype(kind)),
            torch.from_numpy(np.ascontiguousarray(matrix.data, np.float32)),
            size=matrix.shape,
            check_invariants=False,
        )
