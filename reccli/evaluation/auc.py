r"""Per-user AUC over the full catalogue: how many unrelevant candidates stand below a relevant one.

.. math:: \text{auc}(u) = \frac{1}{P N} \sum_{p} \sum_{n} \Big( [s_p > s_n] + \tfrac{1}{2} [s_p = s_n] \Big)
    = \frac{\sum_p \rho_p - P (P + 1) / 2}{P N}

with p the user's relevant candidates, n the other candidates, P and N their numbers, s the scores, ρ the rank from
below among all candidates (ties: the mean of their ranks). The right-hand form needs the places of the relevant items
only. Items that the user may not be shown (known, not allowed) are no candidates and count on neither side. NaN for a
user without a relevant candidate or without any other one.

Paper: Rendle et al.: BPR, UAI 2009, section 4.1, https://arxiv.org/abs/1205.2618; ties as in Hanley, McNeil 1982,
https://doi.org/10.1148/radiology.143.1.7063747.

U users, B users of a block, I items, E pairs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reccli.api import Histories

__all__ = ["auc_from_ranks", "auc_from_scores"]

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


def auc_from_ranks(pairs: Histories, above_E: Int64, tied_E: Int64, candidates_U: Int64) -> Float64:
    """Return the AUC of each user from the places of the relevant items (`retrieval.topk.search`, `pairs=`).

    Args:
        pairs: Relevant items of each user; a repeated pair counts once.
        above_E: Candidates above each, -1 where the item is no candidate.
        tied_E: Other candidates level with each.
        candidates_U: Candidates of each user.
    """
    key_E = pairs.user_E * pairs.n_items + pairs.item_E
    first_E = np.zeros(len(pairs), dtype=np.bool_)
    first_E[np.unique(key_E, return_index=True)[1]] = True
    kept_E = first_E & (above_E >= 0)
    user_E = pairs.user_E[kept_E]
    rank_E = candidates_U[user_E] - above_E[kept_E] - tied_E[kept_E] / 2
    return _from_rank_sums(user_E, rank_E, candidates_U)


def auc_from_scores(
    score_BI: npt.NDArray[np.floating],
    relevant: Histories,
    *,
    seen: Histories | None = None,
    allowed_I: npt.NDArray[np.bool_] | None = None,
) -> Float64:
    """Return the AUC of each user of a block from all its scores (for scorers without vectors).

    Args:
        score_BI: Scores of the whole catalogue.
        relevant: Relevant items, rows aligned with the scores.
        seen: Known items, which are no candidates.
        allowed_I: Which items are candidates; None: all.
    """
    from scipy.stats import rankdata

    barred_BI = np.zeros(score_BI.shape, dtype=np.bool_)
    if allowed_I is not None:
        barred_BI[:, ~allowed_I] = True
    if seen is not None:
        barred_BI[seen.user_E, seen.item_E] = True
    barred_B = barred_BI.sum(axis=1)
    # The barred ones share the lowest ranks, which are then taken off.
    rank_BI = rankdata(np.where(barred_BI, -np.inf, score_BI), axis=1) - barred_B[:, None]
    key_E = np.unique(relevant.user_E * relevant.n_items + relevant.item_E)
    user_E, item_E = np.divmod(key_E, max(relevant.n_items, 1))
    kept_E = ~barred_BI[user_E, item_E]
    user_E, item_E = user_E[kept_E], item_E[kept_E]
    return _from_rank_sums(user_E, rank_BI[user_E, item_E], score_BI.shape[1] - barred_B)


def _from_rank_sums(user_E: Int64, rank_E: Float64, candidates_U: Int64) -> Float64:
    relevant_U = np.bincount(user_E, minlength=len(candidates_U)).astype(np.float64)
    sum_U = np.bincount(user_E, weights=rank_E, minlength=len(candidates_U))
    pairs_U = relevant_U * (candidates_U - relevant_U)
    auc_U = np.full(len(candidates_U), np.nan)
    np.divide(sum_U - relevant_U * (relevant_U + 1) / 2, pairs_U, out=auc_U, where=pairs_U > 0)
    return auc_U
