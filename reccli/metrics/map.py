"""Average precision at k, whose mean over users is MAP."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reccli.api import RankingMetric

__all__ = ["MAP"]


class MAP(RankingMetric):
    r"""Precision at each hit's rank, summed over the first k and divided by the hits that could be had.

    .. math:: \text{ap@}k(u) = \frac{1}{\min(n_u, k)} \sum_{r=1}^{k} \text{hit}_{ur} \,
        \frac{\sum_{s=1}^{r} \text{hit}_{us}}{r}

    with hit = `hit_UK`, n = `n_relevant_U`, k = `k`.

    Args:
        settings: None.

    Shapes:
        hit_UK (U, >= k), n_relevant_U (U,) -> (U,), in [0, 1].

    Notes:
        Divided by min(n, k), so that a list of k hits is worth 1. trec_eval and ranx divide by n; multiply by min(n,
        k) / n to compare. Dividing by the hits found instead is a third definition, which rewards lists with few hits.

    Paper:
        Manning, Raghavan, Schütze: Introduction to Information Retrieval, 2008, section 8.4, cut at k,
        https://nlp.stanford.edu/IR-book/

    Pairs well with:
        `mrr`, its value for one relevant item.

    Example:
        >>> MAP().per_user(np.array([[True, False, True]]), np.array([2]), 3).round(4)
        array([0.8333])
    """

    def per_user(
        self, hit_UK: npt.NDArray[np.bool_], n_relevant_U: npt.NDArray[np.int64], k: int
    ) -> npt.NDArray[np.float64]:
        """Return the average precision within k, per user."""
        top_UK = hit_UK[:, :k]
        rank_K = np.arange(1, top_UK.shape[1] + 1, dtype=np.float64)
        precision_UK = np.cumsum(top_UK, axis=1) / rank_K
        return np.asarray((precision_UK * top_UK).sum(axis=1) / np.minimum(n_relevant_U, k), dtype=np.float64)
