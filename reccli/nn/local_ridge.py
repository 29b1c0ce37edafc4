"""Each item by ridge regression upon the few items nearest to it. I items, U users, B items a block, N neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reccli.errors import DivergedError
from reccli.nn.neighbours import by_power, nearest

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["largest_eigenvalue", "local_ridge"]

BLOCK_CELLS = 20_000_000
"""Cells of the Gram matrices that are solved at once."""
POWER_STEPS = 50


def largest_eigenvalue(matrix_UI: csr_matrix) -> float:
    """Return the largest eigenvalue of the Gram matrix of a matrix without negative entries, by power iteration.

    The leading vector of such a matrix has no negative entry either (Perron, Frobenius), so the start at ones cannot
    miss it, and nothing is drawn.
    """
    value, vector_I = 0.0, np.ones(matrix_UI.shape[1])
    for _ in range(POWER_STEPS):
        vector_I = matrix_UI.T @ (matrix_UI @ (vector_I / max(float(np.linalg.norm(vector_I)), 1e-30)))
        before, value = value, float(np.linalg.norm(vector_I))
        if value <= before * (1 + 1e-6):
            break
    return value


def local_ridge(item_IU: csr_matrix, most: int, penalties: Sequence[float]) -> list[csr_matrix]:
    r"""Return by which weights the other items foretell each item, II, once for each penalty.

    ::

        b_i = argmin |x_i - sum over j in N(i) of b_ij x_j|^2 + l |b_i|^2      = (G_NN + l)^(-1) G_Ni

    with `x_i` item i's column of the interactions, `G` the Gram matrix of these columns, and `N(i)` the `most` items
    that foretell i best by themselves: those with the largest `G_ji / sqrt(G_jj)`, of equal ones the first. With all
    items in `N(i)` it is the column of EASE's matrix. `G` is never built: each system has its own few rows of it.

    Args:
        item_IU: Interactions, an item a row.
        most: Neighbours of an item.
        penalties: Values of `l`, above 0.

    Raises:
        DivergedError: The penalty is lost in rounding, and the neighbours of an item cannot be told apart without it.
    """
    from scipy.sparse import csr_matrix

    square_I = np.asarray(item_IU.multiply(item_IU).sum(1), np.float64).ravel()
    near_II = nearest(item_IU, by_power(item_IU, square_I, -0.5), most, same=True).sorted_indices()
    parts = [list[npt.NDArray[np.float32]]() for _ in penalties]
    for low, high in _blocks(near_II):
        gram_BNN, wanted_BN, length_B = _systems(item_IU, near_II, low, high, square_I)
        real = np.arange(wanted_BN.shape[1]) < length_B[:, None]
        for part, penalty in zip(parts, penalties, strict=True):
            weight_BN = _solve(gram_BNN, wanted_BN, penalty)
            part.append(weight_BN.numpy()[real])
    data = [np.concatenate(part) if part else np.zeros(0, np.float32) for part in parts]
    return [csr_matrix((one, near_II.indices, near_II.indptr), shape=near_II.shape) for one in data]


def _blocks(near_II: csr_matrix) -> Iterator[tuple[int, int]]:
    """Yield ranges of items whose padded systems fit in memory."""
    length_I = np.diff(near_II.indptr)
    size = max(BLOCK_CELLS // max(int(length_I.max(initial=0)), 1) ** 2, 1)
    for low in range(0, len(length_I), size):
        yield low, min(low + size, len(length_I))


def _systems(
    item_IU: csr_matrix, near_II: csr_matrix, low: int, high: int, square_I: npt.NDArray[np.float64]
) -> tuple[Tensor, Tensor, npt.NDArray[np.int64]]:
    """Return Gram matrices BNN, right sides BN and lengths; places beyond an item's neighbours are zero."""
    length_B = np.diff(near_II.indptr[low : high + 1]).astype(np.int64)
    width = int(length_B.max(initial=0))
    gram_BNN = np.zeros((high - low, width, width), np.float32)
    wanted_BN = np.zeros((high - low, width), np.float32)
    for row, item in enumerate(range(low, high)):
        code_N = near_II.indices[near_II.indptr[item] : near_II.indptr[item + 1]]
        near_NU, many = item_IU[code_N], len(code_N)
        gram_BNN[row, :many, :many] = (near_NU @ near_NU.T).toarray()
        # `near_II` holds these products divided by the neighbours' norms.
        scale_N = np.sqrt(square_I[code_N])
        wanted_BN[row, :many] = near_II.data[near_II.indptr[item] : near_II.indptr[item + 1]] * scale_N
    return torch.from_numpy(gram_BNN), torch.from_numpy(wanted_BN), length_B


def _solve(gram_BNN: Tensor, wanted_BN: Tensor, penalty: float) -> Tensor:
    """Return the weights BN; zero rows have the penalty alone, and so weight 0.

    Systems whose penalty is lost in the rounding of float32, so that they have no factor, are solved in float64.
    """
    weight_BN, info_B = _factored(gram_BNN, wanted_BN, penalty)
    failed_B = info_B != 0
    if failed_B.any():
        exact_FN, info_F = _factored(gram_BNN[failed_B].double(), wanted_BN[failed_B].double(), penalty)
        if info_F.any():
            raise DivergedError(
                f"ridge regression upon neighbours: {int((info_F != 0).sum())} items have no solution with a penalty"
                f" of {penalty:.3g}",
                hint="raise encoder.l2",
            )
        weight_BN[failed_B] = exact_FN.float()
    return weight_BN


def _factored(gram_BNN: Tensor, wanted_BN: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Return the weights BN, and where there is no Cholesky factor, B: not 0."""
    system_BNN = gram_BNN + penalty * torch.eye(gram_BNN.shape[1], dtype=gram_BNN.dtype)
    factor_BNN, info_B = torch.linalg.cholesky_ex(system_BNN)
    return torch.cholesky_solve(wanted_BN[..., None], factor_BNN)[..., 0], info_B
