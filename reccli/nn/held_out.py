"""A holdout inside the training part, for choices that an encoder makes by itself.

U users, I items, E interactions, B users of a block, D embedding, K list length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from reccli.api.data import Histories, TrainingData

__all__ = ["hold_out", "ndcg"]

BLOCK = 256


def hold_out(data: TrainingData, share: float, generator: np.random.Generator) -> tuple[Histories, Histories]:
    """Split the training rows of each user in two: kept, held.

    Of a user with n rows, about `share * n` are held (a chance of `share * n` where that is below 1), never the last
    one left: the newest where the data is ordered, else random ones.
    """
    train = data.train
    length_U = train.length_U
    wanted_U = share * length_U
    held_U = np.floor(wanted_U + generator.random(len(length_U))).astype(np.int64)
    held_U = np.minimum(held_U, np.maximum(length_U - 1, 0))
    place_E = np.arange(len(train)) - np.repeat(train.offset_U1[:-1], length_U)
    if not data.ordered:
        order = np.lexsort((generator.random(len(train)), train.user_E))
        drawn_E = np.empty(len(train), np.int64)
        drawn_E[order] = place_E
        place_E = drawn_E
    is_held_E = place_E >= np.repeat(length_U - held_U, length_U)
    return _subset(train, ~is_held_E), _subset(train, is_held_E)


def _subset(histories: Histories, chosen_E: npt.NDArray[np.bool_]) -> Histories:
    count_U = np.bincount(histories.user_E[chosen_E], minlength=histories.n_users)
    return Histories(
        np.concatenate([[0], np.cumsum(count_U)]).astype(np.int64),
        histories.item_E[chosen_E],
        histories.value_E[chosen_E],
        histories.weight_E[chosen_E],
        histories.time_E[chosen_E],
        histories.n_items,
    )


def ndcg(
    user_UD: npt.NDArray[np.float32],
    item_ID: npt.NDArray[np.float32],
    widths: Sequence[int],
    seen: Histories,
    relevant: Histories,
    *,
    k: int,
) -> list[float]:
    """Return the mean NDCG@k of dot products over the first columns, for each of ascending `widths`.

    Scores of a width are those of the one before plus the product of the columns in between, so all widths together
    cost one product. Ties are broken as they come: this is for choosing, not for reporting.
    """
    total_W = np.zeros(len(widths))
    discount_K = 1.0 / np.log2(np.arange(2, k + 2))
    best_K = np.cumsum(discount_K)
    item, n_items = torch.from_numpy(item_ID), len(item_ID)
    # One block for all: fresh pages of this size would cost as much as the products.
    room_BI = torch.empty(min(BLOCK, len(user_UD)), n_items)
    for low in range(0, len(user_UD), BLOCK):
        user_B = np.arange(low, min(low + BLOCK, len(user_UD)))
        known, wanted = seen.rows(user_B), relevant.rows(user_B)
        score_BI = room_BI[: len(user_B)].zero_()
        score_BI[torch.from_numpy(known.user_E), torch.from_numpy(known.item_E)] = -torch.inf
        wanted_E = np.unique(wanted.user_E * n_items + wanted.item_E)
        ideal_B = best_K[np.minimum(np.maximum(wanted.length_U, 1), k) - 1]
        start = 0
        for number, width in enumerate(widths):
            score_BI.addmm_(torch.from_numpy(user_UD[user_B, start:width]), item[:, start:width].T)
            start = width
            top_BK = score_BI.topk(min(k, n_items), dim=1).indices.numpy()
            hit_BK = np.isin((user_B - low)[:, None] * n_items + top_BK, wanted_E)
            total_W[number] += (hit_BK @ discount_K[: top_BK.shape[1]] / ideal_B).sum()
    return [float(total) for total in total_W / max(len(user_UD), 1)]
