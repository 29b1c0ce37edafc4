"""The best items of some users by many weighted sums of the scores of several runs, each run scored once.

V users, B users of a block, I items, C candidates of a user, N best items of one run, K list length, M runs, W sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories
from reccli.api.vectors import MixedVectors
from reccli.stages.serving import Stored

__all__ = ["WeightedLists"]

Codes = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
BLOCK_CELLS = 20_000_000
BEST, BEST_PER_PLACE = 256, 8
"""Items that each run suggests as candidates of a user, and no fewer for each place of a list."""


class WeightedLists:
    """Lists by `w_1 s_1 + ... + w_M s_M` for any weights from 0, exact over all items.

    Candidates of a user are the best items of each run. An item that is none of them has no more than
    `b = w_1 t_1 + ... + w_M t_M`, with `t_m` the last score among the best of run m. So where the last item of a list
    among the candidates has more than `b`, the list is that of all items (the threshold algorithm). Where it has not,
    that user's items are all scored anew.

    Args:
        terms: Vectors of users V and items I of each run, whose products are its scores.
        seen: Items that are not listed, a row for each user.
        reach_MI: Which items each run can reach; one that no run with a weight reaches is not listed.
        k: List length.

    Paper:
        Fagin, Lotem, Naor: Optimal Aggregation Algorithms for Middleware, PODS 2001,
        https://doi.org/10.1145/375551.375567.
    """

    def __init__(self, terms: Sequence[tuple[Stored, Stored]], seen: Histories, reach_MI: Mask, k: int) -> None:
        self._terms, self._seen, self._reach_MI, self._k = terms, seen, reach_MI, k
        self._n_best = max(BEST, BEST_PER_PLACE * k)
        found = [self._candidates(rows) for rows in self._blocks(np.arange(seen.n_users))]
        if found:
            self._code_VC: Codes = np.concatenate([block[0] for block in found])
            self._score_MVC: Float64 = np.concatenate([block[1] for block in found], axis=1)
            self._listed_VC: Mask = np.concatenate([block[2] for block in found])
            self._last_MV: Float64 = np.concatenate([block[3] for block in found], axis=1)

    def of(self, weightings: Sequence[tuple[float, ...]]) -> Codes:
        """Return the lists WVK by each weighting: ties by code, -1 at the end of a list with fewer items."""
        if not self._seen.n_users:
            return np.full((len(weightings), 0, self._k), -1, np.int64)
        found = [self._among_candidates(np.array(point, np.float64)) for point in weightings]
        item_WVK, sure_WV = np.stack([one[0] for one in found]), np.stack([one[1] for one in found])
        for rows in self._blocks(np.flatnonzero(~sure_WV.all(axis=0))):
            score_MBI, known = self._scores(rows), self._seen.rows(rows)
            every_BI = np.tile(np.arange(score_MBI.shape[2]), (len(rows), 1))
            for place in map(int, np.flatnonzero(~sure_WV[:, rows].all(axis=1))):
                point = np.array(weightings[place], np.float64)
                total_BI = np.tensordot(point, score_MBI, axes=1)
                total_BI[:, ~self._reached(point)] = -np.inf
                total_BI[known.user_E, known.item_E] = -np.inf
                item_WVK[place, rows] = best_items(total_BI, every_BI, self._k)[0]
        return item_WVK

    def _among_candidates(self, point_M: Float64) -> tuple[Codes, Mask]:
        """Return the best candidates VK, and of which users they are the best of all items."""
        total_VC = np.tensordot(point_M, self._score_MVC, axes=1)
        total_VC[~(self._listed_VC & self._reached(point_M)[self._code_VC])] = -np.inf
        item_VK, worst_V = best_items(total_VC, self._code_VC, self._k)
        complete_V: Mask = np.asarray(np.isneginf(self._last_MV).any(axis=0))  # a run whose best are all there are
        bound_V = point_M @ np.where(complete_V, 0.0, self._last_MV)
        return item_VK, complete_V | (worst_V > bound_V.astype(np.float32))

    def _candidates(self, rows: Codes) -> tuple[Codes, Float64, Mask, Float64]:
        """Return candidates BC, their scores MBC, which are listed BC, and the last score of each run's best MB."""
        import torch

        score_MBI, known = self._scores(rows), self._seen.rows(rows)
        n_runs, n_users, n_items = score_MBI.shape
        if n_runs * self._n_best >= n_items:
            listed_BI = np.ones((n_users, n_items), np.bool_)
            listed_BI[known.user_E, known.item_E] = False
            every_BI = np.tile(np.arange(n_items), (n_users, 1))
            return every_BI, score_MBI, listed_BI, np.full((n_runs, n_users), -np.inf)
        codes, lasts, unknown_BI = [], [], np.ones((n_users, n_items), np.bool_)
        unknown_BI[known.user_E, known.item_E] = False
        for score_BI in score_MBI:
            masked_BI = torch.from_numpy(np.where(unknown_BI, score_BI, -np.inf))
            best = masked_BI.topk(self._n_best, dim=1)
            codes.append(best.indices.numpy())
            lasts.append(best.values[:, -1].numpy())
        code_BC = np.sort(np.concatenate(codes, axis=1), axis=1)
        listed_BC = np.take_along_axis(unknown_BI, code_BC, axis=1)
        listed_BC[:, 1:] &= code_BC[:, 1:] != code_BC[:, :-1]
        return code_BC, np.take_along_axis(score_MBI, code_BC[None], axis=2), listed_BC, np.stack(lasts)

    def _scores(self, rows: Codes) -> Float64:
        return np.stack([_products(users[rows], items) for users, items in self._terms])

    def _reached(self, point_M: Float64) -> Mask:
        reached: Mask = np.asarray(self._reach_MI[point_M > 0].any(axis=0))
        return reached

    def _blocks(self, rows: Codes) -> Iterator[Codes]:
        step = max(1, BLOCK_CELLS // max(1, self._reach_MI.size))
        for low in range(0, len(rows), step):
            yield rows[low : low + step]


def best_items(score_BC: Float64, code_BC: Codes, k: int) -> tuple[Codes, npt.NDArray[np.float32]]:
    """Return the items of the best scores as lists have them, BK, and the k-th best score of each row, B.

    Scores are rounded to float32, ties go by code, places without a finite score have -1. One number holds score and
    code, so that no two are equal: the bits of a float32, made to ascend, above the code.

    Args:
        score_BC: Scores.
        code_BC: Their items, below 2^31.
        k: List length.
    """
    import torch

    rounded_BC = torch.from_numpy(score_BC.astype(np.float32)) + 0.0  # no -0
    bits_BC = rounded_BC.view(torch.int32)
    ascending_BC = (bits_BC ^ ((bits_BC >> 31) & 0x7FFFFFFF)).to(torch.int64)
    last = 2**31 - 1
    key_BC = (ascending_BC << 32) + (last - torch.from_numpy(np.ascontiguousarray(code_BC)))
    best = key_BC.topk(min(k, key_BC.shape[1]), dim=1)
    value_BK = np.take_along_axis(rounded_BC.numpy(), best.indices.numpy(), axis=1)
    item_BK = np.full((len(score_BC), k), -1, np.int64)
    item_BK[:, : value_BK.shape[1]] = np.where(value_BK > -np.inf, last - (best.values.numpy() & 0xFFFFFFFF), -1)
    short = value_BK.shape[1] < k
    return item_BK, np.full(len(score_BC), -np.inf, np.float32) if short else value_BK[:, -1]


def _products(users: Stored, items: Stored) -> Float64:
    if isinstance(users, MixedVectors) and isinstance(items, MixedVectors):
        sparse_BI = (users.sparse_NS.astype(np.float64) @ items.sparse_NS.T).toarray()
        return np.asarray(sparse_BI + users.dense_ND.astype(np.float64) @ items.dense_ND.T)
    return np.asarray(users.astype(np.float64) @ items.T)  # type: ignore[union-attr]  # both are dense
