"""Precision at k."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reccli.api import RankingMetric

__all__ = ["Precision"]


class Precision(RankingMetric):
    r"""Share of the first k ranks that hold a relevant item.

    .. math:: \text{precision@}k(u) = \frac{1}{k} \sum_{r=1}^{k} \text{hit}_{ur}

    with hit = `hit_UK`, k = `k`.

    Args:
        settings: None.

    Shapes:
        hit_UK (U, >= k), n_relevant_U (U,) -> (U,), in [0, 1].

    Notes:
        The denominator is k, also where a list is shorter than k: a missing rank counts as a miss.

    Paper:
        Manning, Raghavan, Schütze: Introduction to Information Retrieval, 2008, section 8.3,
        https://nlp.stanford.edu/IR-book/

    Pairs well with:
        `recall`; `f1` joins the two.

    Example:
        >>> Precision().per_user(np.array([[True, False, True, False]]), np.array([4]), 4)
        array([0.5])
    """

    def per_user(
        self, hit_UK: npt.NDArray[np.bool_], n_relevant_U: npt.NDArray[np.int64], k: int
    ) -> npt.NDArray[np.float64]:
        """Return hits in the first k over k, per user."""
        return np.asarray(hit_UK[:, :k].sum(axis=1) / k, dtype=np.float64)
