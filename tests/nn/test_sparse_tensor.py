"""Sparse matrices keep their entries on the way to torch, and their places take four bytes."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_matrix

from reccli.nn.sparse_tensor import to_torch


def test_places_take_four_bytes() -> None:
    matrix = to_torch(csr_matrix(np.eye(3, dtype=np.float32)))
    assert matrix.col_indices().dtype == matrix.crow_indices().dtype == torch.int32
    torch.testing.assert_close(matrix.to_dense(), torch.eye(3))
