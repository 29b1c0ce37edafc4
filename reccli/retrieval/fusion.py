"""Lists of several rankings as one, by the places of items in them.

U users, K list length, N length of the lists that are fused, R rankings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["DEPTH", "fused_top_k"]

DEPTH = 200  # places of a list that count; what lies below hardly matters: 1 / 260 against 1 / 61
CONSTANT = 60.0
BLOCK_CELLS = 4_000_000

Int64 = npt.NDArray[np.int64]


def fused_top_k(lists: Sequence[Int64], weights: Sequence[float], k: int) -> tuple[Int64, npt.NDArray[np.float32]]:
    """Return the k best items of each user by weighted reciprocal places.

    ::

        s(u, i) = sum over rankings r of  w_r / (60 + place of i in the list of r)        0 where it is not in the list

    Args:
        lists: For each ranking item codes UN, best first, -1 where a list is shorter.
        weights: One for each ranking, not below 0; one of 0 takes no part.
        k: List length.

    Returns:
        Codes UK, best first, ties by code, -1 where there are fewer; and their scores, minus infinity there.

    Paper:
        Cormack, Clarke, Buettcher: Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods,
        SIGIR 2009, https://doi.org/10.1145/1571941.1572114.
    """
    taken = [(item_UN, weight) for item_UN, weight in zip(lists, weights, strict=True) if weight > 0]
    n_users = len(lists[0])
    item_UK, score_UK = np.full((n_users, k), -1, np.int64), np.full((n_users, k), -np.inf, np.float32)
    width = max(1, sum(item_UN.shape[1] for item_UN, _ in taken))
    step = max(1, BLOCK_CELLS // width)
    for low in range(0, n_users, step):
        block = [(item_UN[low : low + step], weight) for item_UN, weight in taken]
        user_E = np.concatenate([np.nonzero(item_BN >= 0)[0] for item_BN, _ in block])
        item_E = np.concatenate([item_BN[item_BN >= 0] for item_BN, _ in block])
        point_E = np.concatenate(
            [np.broadcast_to(_points(item_BN, weight), item_BN.shape)[item_BN >= 0] for item_BN, weight in block]
        )
        if len(item_E):
            _fill(user_E, item_E, point_E, item_UK[low : low + step], score_UK[low : low + step])
    return item_UK, score_UK


def _points(item_BN: Int64, weight: float) -> npt.NDArray[np.float64]:
    return weight / (CONSTANT + np.arange(1, item_BN.shape[1] + 1))


def _fill(
    user_E: Int64,
    item_E: Int64,
    point_E: npt.NDArray[np.float64],
    item_BK: Int64,
    score_BK: npt.NDArray[np.float32],
) -> None:
    """Add up the points of each pair, and put the best of each user into its row."""
    n_items = int(item_E.max()) + 1
    key_P, pair_E = np.unique(user_E * n_items + item_E, return_inverse=True)
    score_P = np.bincount(pair_E, weights=point_E).astype(np.float32)
    user_P, item_P = np.divmod(key_P, n_items)
    order_P = np.lexsort((item_P, -score_P, user_P))
    user_P = user_P[order_P]
    place_P = np.arange(len(user_P)) - np.searchsorted(user_P, user_P)
    kept_P = place_P < item_BK.shape[1]
    rows, places = user_P[kept_P], place_P[kept_P]
    item_BK[rows, places] = item_P[order_P][kept_P]
    score_BK[rows, places] = score_P[order_P][kept_P]
