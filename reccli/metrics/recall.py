"""Recall at k."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reccli.api import RankingMetric

__all__ = ["Recall"]


class Recall(RankingMetric):
    r"""Share of a user's relevant items that the first k ranks hold.

    .. math:: \text{recall@}k(u) = \frac{\sum_{r=1}^{k} \text{hit}_{ur}}{n_u}

    with hit = `hit_UK`, n = `n_relevant_U`, k = `k`.

    Args:
        settings: None.

    Shapes:
        hit_UK (U, >= k), n_relevant_U (U,) -> (U,), in [0, 1].

    Notes:
        The denominator is all relevant items, so a user with more than k of them cannot reach 1 (some tools divide by
        min(n, k), which is a capped recall). Ties in scores are settled before, by item code: `retrieval.top_k`.

    Paper:
        Manning, Raghavan, Schütze: Introduction to Information Retrieval, 2008, section 8.3,
        https://nlp.stanford.edu/IR-book/

    Pairs well with:
        `ndcg`, which also looks at the order.

    Example:
        >>> Recall().per_user(np.array([[True, False, True]]), np.array([4]), 3)
        array([0.5])
    """

    def per_user(
        self, hit_UK: npt.NDArray[np.bool_], n_relevant_U: npt.NDArray[np.int64], k: int
    ) -> npt.NDArray[np.float64]:
        """Return hits in the first k over relevant items, per user."""
        return np.asarray(hit_UK[:, :k].sum(axis=1) / n_relevant_U, dtype=np.float64)
