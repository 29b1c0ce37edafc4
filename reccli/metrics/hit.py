"""Hit rate at k."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reccli.api import RankingMetric

__all__ = ["Hit"]


class Hit(RankingMetric):
    r"""Whether any of the first k ranks holds a relevant item.

    .. math:: \text{hit@}k(u) = \max_{r \le k} \text{hit}_{ur}

    with hit = `hit_UK`, k = `k`.

    Args:
        settings: None.

    Shapes:
        hit_UK (U, >= k), n_relevant_U (U,) -> (U,), 0 or 1.

    Notes:
        With one relevant item per user (leave-one-out) it equals `recall`. Some tools call the number of hits, or
        recall, "hit rate".

    Paper:
        Deshpande, Karypis: Item-based top-N recommendation algorithms, TOIS 2004,
        https://doi.org/10.1145/963770.963776

    Pairs well with:
        `mrr`, which says how far down the first hit is.

    Example:
        >>> Hit().per_user(np.array([[False, False, True]]), np.array([4]), 2)
        array([0.])
    """

    def per_user(
        self, hit_UK: npt.NDArray[np.bool_], n_relevant_U: npt.NDArray[np.int64], k: int
    ) -> npt.NDArray[np.float64]:
        """Return 1 where the first k hold a hit, else 0, per user."""
        return np.asarray(hit_UK[:, :k].any(axis=1), dtype=np.float64)
