"""The spectrum of the interactions: a truncated singular value decomposition of the normalised matrix.

U users, I items, R components, Q components computed (R and some more), E interactions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Spectrum", "decompose", "fold_in", "item_scale", "normalised", "spectrum"]

Float32 = npt.NDArray[np.float32]
LARGEST = np.float32(1e28)
"""Of a power of a degree: float32 holds its products with weights."""
OVERSAMPLING = 16
EXACT, MOST_EXACT = 2048, 6144
"""Up to so many users or items, the decomposition is exact; the second where at least a third of it is wanted."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Leading singular triplets of D_u^(-p) X D_i^(-q), largest first; p = q = 1/2 unless told.

    Args:
        user_UR: Left singular vectors.
        value_R: Singular values, in [0, 1] for p = q = 1/2.
        item_IR: Right singular vectors; zero rows for items without interactions.
        degree_U: Weight of all interactions of each user.
        degree_I: Weight of all interactions of each item.
    """

    user_UR: Float32
    value_R: Float32
    item_IR: Float32
    degree_U: Float32
    degree_I: Float32


def normalised(histories: Histories, powers: tuple[float, float] = (0.5, 0.5)) -> tuple[csr_matrix, Float32, Float32]:
    """Return D_u^(-p) X D_i^(-q) as U x I, with the degrees of users and items (0 for the unseen)."""
    from scipy.sparse import diags_array

    matrix = histories.to_scipy("weight")
    degree_U = np.asarray(matrix.sum(axis=1), np.float32).ravel()
    degree_I = np.asarray(matrix.sum(axis=0), np.float32).ravel()
    scaled = diags_array(_power(degree_U, -powers[0])) @ matrix @ diags_array(_power(degree_I, -powers[1]))
    return scaled.tocsr().astype(np.float32), degree_U, degree_I


def spectrum(
    histories: Histories,
    rank: int,
    *,
    generator: np.random.Generator,
    n_iter: int = 3,
    powers: tuple[float, float] = (0.5, 0.5),
) -> Spectrum:
    """Decompose by block subspace iteration (randomised SVD).

    Fewer than `rank` components come back where the matrix has fewer rows or columns. The components of a smaller rank
    are, up to the accuracy of the iteration, the first ones of a larger rank, so one call serves all of them.

    Args:
        histories: Interactions; weights count.
        rank: Components, 16 to 1,024.
        generator: Draws the start block.
        n_iter: Passes over the matrix and its transpose. 3 rank best; more come nearer to the exact components, and on
            sparse data rank a little worse. With at most 2,048 users or items (6,144 where at least a third of all
            components are wanted) the decomposition is exact, and draws nothing.
        powers: How much of the users' and of the items' degrees is divided out, 0 to 0.5 each.

    Paper:
        Halko, Martinsson, Tropp: Finding structure with randomness, SIAM Review 53(2), 2011,
        https://arxiv.org/abs/0909.4061, algorithm 4.4. That the spectrum alone recommends well: Shen et al., How
        Powerful is Graph Convolution for Recommendation?, CIKM 2021, https://arxiv.org/abs/2108.07567.
    """
    matrix, degree_U, degree_I = normalised(histories, powers)
    return decompose(matrix, rank, degree_U, degree_I, generator=generator, n_iter=n_iter)


def decompose(
    matrix: csr_matrix,
    rank: int,
    degree_U: Float32,
    degree_I: Float32,
    *,
    generator: np.random.Generator,
    n_iter: int = 3,
) -> Spectrum:
    """Decompose any sparse matrix U x I as `spectrum` does; rows and items of degree 0 get zeros."""
    import torch

    n_users, n_items = matrix.shape
    most = min(n_users, n_items)
    rank, width = min(rank, most), min(rank + OVERSAMPLING, most)
    if most <= EXACT or (most <= MOST_EXACT and rank >= most / 3):
        return _exact(matrix, rank, degree_U, degree_I)
    apply, apply_back = _product(matrix), _product(matrix.T.tocsr())
    block_IQ = torch.from_numpy(generator.standard_normal((n_items, width), np.float32))
    for _ in range(n_iter):
        block_IQ = _orthonormal(apply_back(apply(block_IQ)))
    image_UQ = apply(block_IQ)
    square_Q, turn_QQ = torch.linalg.eigh((image_UQ.T @ image_UQ).double())
    order = torch.arange(width - 1, width - 1 - rank, -1)
    value_R = square_Q[order].clamp_min(0).sqrt()
    turn_QR = turn_QQ[:, order]
    item_IR = (block_IQ @ turn_QR.float()).numpy()
    user_UR = (image_UQ @ (turn_QR / value_R.clamp_min(1e-6)).float()).numpy()
    return _oriented(user_UR, value_R.float().numpy(), item_IR, degree_U, degree_I)


def _exact(matrix: csr_matrix, rank: int, degree_U: Float32, degree_I: Float32) -> Spectrum:
    """Decompose through the Gram matrix of the shorter side, in float64: exact, and faster than iterating."""
    wide = matrix.shape[0] <= matrix.shape[1]
    double = (matrix if wide else matrix.T).astype(np.float64).tocsr()
    square_M, turn_MM = np.linalg.eigh((double @ double.T).toarray())
    value_R = np.sqrt(square_M[::-1][:rank].clip(0))
    short_MR = turn_MM[:, ::-1][:, :rank]
    safe_R = np.where(
        value_R > 1e-6 * max(value_R.max(initial=0.0), 1e-12), value_R, np.inf
    )  # the null space has no other side
    long_LR = (double.T @ short_MR) / safe_R
    user_UR, item_IR = (short_MR, long_LR) if wide else (long_LR, short_MR)
    return _oriented(
        user_UR.astype(np.float32), value_R.astype(np.float32), item_IR.astype(np.float32), degree_U, degree_I
    )


def _oriented(user_UR: Float32, value_R: Float32, item_IR: Float32, degree_U: Float32, degree_I: Float32) -> Spectrum:
    flip_R = _signs(item_IR)
    # Rounding must not give vectors to those whom nobody has met.
    user_UR = np.ascontiguousarray(user_UR * flip_R * (degree_U > 0)[:, None])
    item_IR = np.ascontiguousarray(item_IR * flip_R * (degree_I > 0)[:, None])
    return Spectrum(user_UR, value_R, item_IR, degree_U, degree_I)


def item_scale(degree_I: Float32, exponent: float) -> Float32:
    """Return degree^exponent per item, 0 where there are no interactions."""
    return _power(degree_I, exponent)


def fold_in(histories: Histories, item_IR: Float32) -> Float32:
    """Sum item vectors over each history, UR float32 (weights count; an empty history gives zeros)."""
    return np.asarray(histories.to_scipy("weight") @ item_IR, np.float32)


def _power(degree: Float32, exponent: float) -> Float32:
    out = np.zeros_like(degree)
    with np.errstate(over="ignore"):  # degrees near 0: of weights that age has taken
        np.power(degree, exponent, out=out, where=degree > 0)
    return np.minimum(out, LARGEST)


def _product(matrix: csr_matrix) -> Any:
    """Return a function that multiplies a dense block; torch's sparse product uses all threads, SciPy's only one."""
    from reccli.nn.sparse_tensor import to_torch

    sparse = to_torch(matrix)
    return lambda block: sparse @ block


def _orthonormal(block_IQ: Any) -> Any:
    """Return an orthonormal basis of the columns, by Cholesky of the Gram matrix twice; QR where that breaks down."""
    import torch

    for _ in range(2):
        gram_QQ = (block_IQ.T @ block_IQ).double()
        factor_QQ, failed = torch.linalg.cholesky_ex(gram_QQ, upper=True)
        if failed or float(factor_QQ.diagonal().min() / factor_QQ.diagonal().max()) < 1e-3:
            return torch.linalg.qr(block_IQ)[0]
        inverse_QQ = torch.linalg.solve_triangular(factor_QQ, torch.eye(len(factor_QQ)).double(), upper=True)
        block_IQ = block_IQ @ inverse_QQ.float()
    return block_IQ


def _signs(item_IR: Float32) -> Float32:
    """Signs that make the largest entry of each component positive, so that runs agree."""
    if not item_IR.size:
        return np.ones(item_IR.shape[1], np.float32)
    largest_R = np.abs(item_IR).argmax(axis=0)
    return np.where(item_IR[largest_R, np.arange(item_IR.shape[1])] < 0, -1, 1).astype(np.float32)
