"""One hop from the items of a history over users to other items: the linear filter on the user-item graph.

U users, I items, B users of a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories
from reccli.nn.history_matrix import history_matrix
from reccli.nn.neighbours import LARGEST, by_power, nearest, power_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["OneHop"]


@dataclass(frozen=True)
class OneHop:
    """The weights by which items of a history speak for items that share users with them.

    ::

        W_ji = c d_j^(-h) (sum over users of x_uj d_u^(-p) x_ui) d_i^(-q)
        c = D_u^(p-1) D_i^(h+q-1)

    with `d` the weight of all interactions of a user or an item and `D` its mean over those who have any. The constant
    makes W, where all degrees are equal, the product N^T N of the normalised matrix N = d_u^(-1/2) X d_i^(-1/2) with
    itself, whose eigenvalues are the squares of N's singular values: weights of this filter and of the spectrum are
    in one unit, whatever the density.

    Args:
        matrix_UI: The interactions.
        user_power: p, how much less a user with a long history counts.
        history_power: h, how much less popular items of a history say.

    Paper:
        Shen et al.: How Powerful is Graph Convolution for Recommendation?, CIKM 2021,
        https://arxiv.org/abs/2108.07567, equation 8 (p = 1, h = q = 1/2).
    """

    matrix_UI: csr_matrix
    user_power: float
    history_power: float

    @classmethod
    def of(cls, histories: Histories, *, user_power: float, history_power: float) -> OneHop:
        """Build from histories; weights count."""
        matrix_UI = history_matrix(histories)
        return cls(matrix_UI, user_power, history_power)

    def item_scale(self, item_power: float) -> npt.NDArray[np.float32]:
        """Return what the scores of each item are multiplied by, c d_i^(-q), I."""
        degree_U, degree_I = self._degrees
        constant = _mean(degree_U) ** (self.user_power - 1) * _mean(degree_I) ** (self.history_power + item_power - 1)
        return np.asarray(np.minimum(constant * power_of(degree_I, -item_power), LARGEST), np.float32)

    def hops(self, seen_BI: csr_matrix) -> csr_matrix:
        """Return by how much each user is reached from histories, BU; times `matrix_UI` and the item scale: scores."""
        degree_U, _ = self._degrees
        return (by_power((seen_BI @ self._said_IU).T.tocsr(), degree_U, -self.user_power).T).tocsr()

    def weights(self, item_power: float, most: int) -> csr_matrix:
        """Return W with the `most` largest of each row j, and nothing on the diagonal, II."""
        degree_U, degree_I = self._degrees
        half_IU = by_power(self.matrix_UI, degree_U, -self.user_power).T.tocsr()
        from_IU = by_power(half_IU, degree_I, -self.history_power)
        to_IU = by_power(self.matrix_UI.T.tocsr(), self.item_scale(item_power), 1.0)
        return nearest(from_IU, to_IU, most, same=True)

    @cached_property
    def _said_IU(self) -> csr_matrix:
        _, degree_I = self._degrees
        return by_power(self.matrix_UI.T.tocsr(), degree_I, -self.history_power)

    @cached_property
    def _degrees(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        return (
            np.asarray(self.matrix_UI.sum(axis=1), np.float64).ravel(),
            np.asarray(self.matrix_UI.sum(axis=0), np.float64).ravel(),
        )


def _mean(degree_N: npt.NDArray[np.float64]) -> float:
    return float(degree_N[degree_N > 0].mean()) if (degree_N > 0).any() else 1.0
