"""Normalised discounted cumulative gain at k."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reccli.api import RankingMetric

__all__ = ["NDCG"]


class NDCG(RankingMetric):
    r"""Hits in the first k, discounted by the logarithm of their rank, over the best that could be had.

    .. math:: \text{ndcg@}k(u) =
        \frac{\sum_{r=1}^{k} \text{hit}_{ur} / \log_2(r + 1)}{\sum_{r=1}^{\min(n_u, k)} 1 / \log_2(r + 1)}

    with hit = `hit_UK`, n = `n_relevant_U`, k = `k`.

    Args:
        settings: None.

    Shapes:
        hit_UK (U, >= k), n_relevant_U (U,) -> (U,), in [0, 1].

    Notes:
        Gains are binary. The ideal list is cut at k and built from all n relevant items, found or not; an ideal built
        from the hits alone gives far higher numbers that compare with nothing. The graded form of the paper is not
        used.

    Paper:
        Järvelin, Kekäläinen: Cumulated gain-based evaluation of IR techniques, TOIS 2002,
        https://doi.org/10.1145/582415.582418, with the discount of Burges et al.: Learning to rank using gradient
        descent, ICML 2005, https://doi.org/10.1145/1102351.1102363

    Pairs well with:
        `recall`, which ignores the order.

    Example:
        >>> NDCG().per_user(np.array([[True, False, True]]), np.array([2]), 3).round(4)
        array([0.9197])
    """

    def per_user(
        self, hit_UK: npt.NDArray[np.bool_], n_relevant_U: npt.NDArray[np.int64], k: int
    ) -> npt.NDArray[np.float64]:
        """Return the discounted gain over the ideal one, per user."""
        discount_K = 1.0 / np.log2(np.arange(2, k + 2, dtype=np.float64))
        ideal_K = np.cumsum(discount_K)
        gain_U = hit_UK[:, :k] @ discount_K
        return np.asarray(gain_U / ideal_K[np.minimum(n_relevant_U, k) - 1], dtype=np.float64)
