"""F1 at k."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reccli.api import RankingMetric

__all__ = ["F1"]


class F1(RankingMetric):
    r"""Harmonic mean of a user's precision and recall at k.

    .. math:: \text{f1@}k(u) = \frac{2 P R}{P + R} = \frac{2 \sum_{r=1}^{k} \text{hit}_{ur}}{k + n_u}

    with P = `precision`, R = `recall`, hit = `hit_UK`, n = `n_relevant_U`, k = `k`. The right-hand form needs no case
    for P + R = 0, which is 0.

    Args:
        settings: None.

    Shapes:
        hit_UK (U, >= k), n_relevant_U (U,) -> (U,), in [0, 1].

    Notes:
        Taken per user and then averaged; the harmonic mean of the averages is another number.

    Paper:
        van Rijsbergen: Information Retrieval, 2nd edition, 1979, chapter 7,
        http://www.dcs.gla.ac.uk/Keith/Preface.html

    Pairs well with:
        `precision` and `recall`, to see which of the two moved.

    Example:
        >>> F1().per_user(np.array([[True, False, True, False]]), np.array([4]), 4)
        array([0.5])
    """

    def per_user(
        self, hit_UK: npt.NDArray[np.bool_], n_relevant_U: npt.NDArray[np.int64], k: int
    ) -> npt.NDArray[np.float64]:
        """Return twice the hits in the first k over k plus the relevant items, per user."""
        return np.asarray(2.0 * hit_UK[:, :k].sum(axis=1) / (k + n_relevant_U), dtype=np.float64)
