"""Vectors with a dense and a sparse part: what item-item and user-user models score by.

N rows, D dense numbers, S sparse columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["MixedVectors", "any_numbers", "join_rows", "pair_products"]

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MixedVectors:
    """Rows of D dense numbers and of S numbers that are mostly zero, side by side.

    It has what the stages ask of an array: a length, a shape, and a choice of rows. The product of two is the sum of
    the products of their parts.

    Args:
        dense_ND: Dense part, float32; D may be 0.
        sparse_NS: Sparse part, float32 in CSR form.
    """

    dense_ND: Float32
    sparse_NS: csr_matrix

    def __post_init__(self) -> None:
        if len(self.dense_ND) != self.sparse_NS.shape[0]:
            raise ValueError(f"{len(self.dense_ND)} dense rows, {self.sparse_NS.shape[0]} sparse ones")

    def __len__(self) -> int:
        return len(self.dense_ND)

    def __getitem__(self, rows: Any) -> MixedVectors:
        return MixedVectors(self.dense_ND[rows], self.sparse_NS[rows])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and numbers of a row in both parts."""
        return len(self), self.dense_ND.shape[1] + self.sparse_NS.shape[1]

    @property
    def finite(self) -> bool:
        """Whether all numbers are."""
        return bool(np.isfinite(self.dense_ND).all() and np.isfinite(self.sparse_NS.data).all())

    def norms(self) -> npt.NDArray[np.float64]:
        """Return the Euclidean norm of each row over both parts, N."""
        squares = self.sparse_NS.astype(np.float64)
        squares.data **= 2
        square_N = np.square(self.dense_ND, dtype=np.float64).sum(1) + np.asarray(squares.sum(1)).ravel()
        return np.asarray(np.sqrt(square_N))


def pair_products(user: Float32 | MixedVectors, item: Float32 | MixedVectors) -> npt.NDArray[np.float64]:
    """Return the products of matching rows in float64, N."""
    if isinstance(user, MixedVectors) and isinstance(item, MixedVectors):
        sparse_N = user.sparse_NS.astype(np.float64).multiply(item.sparse_NS.astype(np.float64)).sum(1)
        return _dense_products(user.dense_ND, item.dense_ND) + np.asarray(sparse_N, np.float64).ravel()
    if isinstance(user, MixedVectors) or isinstance(item, MixedVectors):
        raise ValueError("only one of user and item vectors has a sparse part")
    return _dense_products(user, item)


def join_rows(parts: Sequence[Float32 | MixedVectors]) -> Float32 | MixedVectors:
    """Set vectors of one kind below each other."""
    mixed = [part for part in parts if isinstance(part, MixedVectors)]
    if not mixed:
        return np.concatenate([np.asarray(part) for part in parts])
    from scipy.sparse import vstack

    return MixedVectors(
        np.concatenate([part.dense_ND for part in mixed]),
        vstack([part.sparse_NS for part in mixed], format="csr"),
    )


def any_numbers(vectors: Float32 | MixedVectors) -> npt.NDArray[np.bool_]:
    """Return which rows are not all zero, N."""
    if isinstance(vectors, MixedVectors):
        return vectors.norms() > 0
    return np.asarray(vectors.any(axis=1))


def _dense_products(user_ND: Float32, item_ND: Float32) -> npt.NDArray[np.float64]:
    return np.asarray(np.einsum("rd,rd->r", user_ND, item_ND, dtype=np.float64))
