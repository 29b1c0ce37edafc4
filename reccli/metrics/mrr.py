"""Reciprocal rank of the first hit, at k."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reccli.api import RankingMetric

__all__ = ["MRR"]


class MRR(RankingMetric):
    r"""One over the rank of the first relevant item, 0 where the first k ranks hold none.

    .. math:: \text{mrr@}k(u) = \max_{r \le k} \frac{\text{hit}_{ur}}{r}

    with hit = `hit_UK`, k = `k`.

    Args:
        settings: None.

    Shapes:
        hit_UK (U, >= k), n_relevant_U (U,) -> (U,), in [0, 1].

    Notes:
        Only the first hit counts, however many follow; `map` looks at all of them.

    Paper:
        Voorhees: The TREC-8 Question Answering Track Report, 1999,
        https://trec.nist.gov/pubs/trec8/papers/qa_report.pdf

    Pairs well with:
        leave-one-out splits, where a user has one relevant item.

    Example:
        >>> MRR().per_user(np.array([[False, True, True]]), np.array([2]), 3)
        array([0.5])
    """

    def per_user(
        self, hit_UK: npt.NDArray[np.bool_], n_relevant_U: npt.NDArray[np.int64], k: int
    ) -> npt.NDArray[np.float64]:
        """Return the reciprocal rank of the first hit within k, per user."""
        top_UK = hit_UK[:, :k]
        # argmax is 0 where there is no hit: the factor makes that row 0.
        return np.asarray(top_UK.any(axis=1) / (top_UK.argmax(axis=1) + 1.0), dtype=np.float64)
