"""What items are clustered by: the mean of several views of each, every view weighing the same.

T texts, U users, D embedding.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["audience_vectors", "centred", "joint_vectors", "unit"]

SHRINK = 2.0
Float32 = npt.NDArray[np.float32]


def unit(vector_RD: Float32) -> Float32:
    """Return rows of length 1; rows of zeros stay."""
    return np.asarray(vector_RD / np.maximum(np.linalg.norm(vector_RD, axis=1, keepdims=True), 1e-12), np.float32)


def centred(vector_TD: Float32, has_T: npt.NDArray[np.bool_], mean_D: Float32) -> Float32:
    """Return unit vectors after a mean is taken off, TD; zeros for texts that lack the view."""
    return unit(np.where(has_T[:, None], vector_TD - mean_D, 0.0).astype(np.float32))


def joint_vectors(views: Iterable[Float32]) -> Float32:
    """Return the unit vectors of the sums of views, TD."""
    return unit(np.asarray(sum(views), np.float32))


def audience_vectors(text_TD: Float32, matrix_UT: csr_matrix, known_UT: csr_matrix) -> Float32:
    """Return what the users of a text have met otherwise, TD.

    ::

        a_t = n_t / (n_t + 2) unit(o_t - mean of o)
        o_t = sum over users u of t of 1/d_u sum over their other texts s of x_s, over the sum of these weights

    with `n_t` the users of t who have met another text, `d_u` how many texts a user has met, and `x` the vectors.

    Args:
        text_TD: Unit vectors.
        matrix_UT: Who has met what, ones.
        known_UT: The same without texts whose vectors may not be looked at.
    """
    from scipy.sparse import diags_array

    degree_U = np.asarray(known_UT.sum(1), np.float64).ravel()
    share_U = 1 / np.maximum(degree_U, 1)
    own_T = known_UT.T @ share_U  # what a text would lend itself
    total_T = matrix_UT.T @ (degree_U > 0) - own_T
    users_T = matrix_UT.T @ (degree_U > 0) - known_UT.T @ (degree_U == 1)
    other_TD = matrix_UT.T @ (diags_array(share_U) @ (known_UT @ text_TD)) - own_T[:, None] * text_TD
    has_T = users_T > 0.5
    if not has_T.any():
        return np.zeros_like(text_TD)
    other_TD = other_TD / np.where(has_T, total_T, 1.0)[:, None]
    vector_TD = centred(np.asarray(other_TD, np.float32), has_T, other_TD[has_T].mean(0).astype(np.float32))
    return np.asarray(vector_TD * (users_T / (users_T + SHRINK))[:, None], np.float32)
