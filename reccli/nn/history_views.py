"""Histories cut, hidden in part, and put out of order: what augmented views of users are made of.

R histories, S histories of another list, H entries of all of them together, E training rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories

__all__ = ["CROP", "MASK", "REORDER", "augmented", "before_rows", "joined", "newest", "only", "same_items"]

Int64 = npt.NDArray[np.int64]
CROP, MASK, REORDER = 0, 1, 2


def newest(histories: Histories, most: int) -> Histories:
    """Return the last `most` entries of each history."""
    left_H = histories.offset_U1[1:][histories.user_E] - 1 - np.arange(len(histories))
    return only(histories, left_H < most)


def only(histories: Histories, kept_H: npt.NDArray[np.bool_]) -> Histories:
    """Return some entries of each history."""
    return _chosen(histories, np.arange(len(histories)), kept_H)


def joined(first: Histories, second: Histories) -> Histories:
    """Return the histories of both, one after the other."""
    return Histories(
        np.concatenate([first.offset_U1, first.offset_U1[-1] + second.offset_U1[1:]]),
        np.concatenate([first.item_E, second.item_E]),
        np.concatenate([first.value_E, second.value_E]),
        np.concatenate([first.weight_E, second.weight_E]),
        np.concatenate([first.time_E, second.time_E]),
        first.n_items,
    )


def before_rows(train: Histories, row_R: Int64, *, ordered: bool, most: int) -> Histories:
    """Return what each training row may know of its user: what came before it, or all the rest.

    Args:
        train: All training histories.
        row_R: Positions in `train`.
        ordered: Whether rows know the past alone, at most its newest `most` entries; otherwise they know all the rest,
            and their own entry is there with weight 0.
        most: Entries looked back upon.
    """
    user_R = np.searchsorted(train.offset_U1, row_R, side="right") - 1
    if not ordered:
        found = train.rows(user_R)
        weight_H = found.weight_E.copy()
        weight_H[found.offset_U1[:-1] + row_R - train.offset_U1[user_R]] = 0
        return replace(found, weight_E=weight_H)
    first_R = np.maximum(train.offset_U1[user_R], row_R - most)
    offset_R1 = np.concatenate([[0], np.cumsum(row_R - first_R)]).astype(np.int64)
    index_H = np.repeat(first_R - offset_R1[:-1], row_R - first_R) + np.arange(offset_R1[-1])
    return replace(
        train,
        offset_U1=offset_R1,
        item_E=train.item_E[index_H],
        value_E=train.value_E[index_H],
        weight_E=train.weight_E[index_H],
        time_E=train.time_E[index_H],
    )


def augmented(
    histories: Histories, way_R: Int64, shares: tuple[float, float, float], generator: np.random.Generator
) -> Histories:
    """Return each history changed in its way, with n its entries.

    ::

        CROP      the entries c, ..., c + k - 1 alone             k = max(1, floor(share n)), c at random
        MASK      k entries at random get weight 0                k = floor(share n)
        REORDER   the entries c, ..., c + k - 1 are shuffled      k = floor(share n), c at random

    Args:
        histories: As they are; their times stay with the entries.
        way_R: What to do with each.
        shares: The share for each way.
        generator: Draws places and orders.

    Paper:
        Xie, Sun, Liu, Wu, Gao, Zhang, Ding, Cui: Contrastive Learning for Sequential Recommendation, ICDE 2022,
        https://arxiv.org/abs/2010.14395, section III.
    """
    length_R = histories.length_U
    row_H = histories.user_E
    place_H = np.arange(len(histories)) - histories.offset_U1[row_H]
    count_R = np.floor(np.asarray(shares)[way_R] * length_R + 1e-9).astype(np.int64)
    count_R = np.where(way_R == CROP, np.minimum(np.maximum(count_R, 1), length_R), count_R)
    start_R = np.floor(generator.random(len(length_R)) * (length_R - count_R + 1)).astype(np.int64)
    inside_H = (place_H >= start_R[row_H]) & (place_H < (start_R + count_R)[row_H])
    random_H = generator.random(len(histories))
    way_H = way_R[row_H]
    # A shuffled piece has sort keys between those of its neighbours; the rest keep their places.
    key_H = np.where(inside_H & (way_H == REORDER), start_R[row_H] + random_H * count_R[row_H], place_H)
    order_H = np.lexsort((key_H, row_H))
    drawn_H = np.lexsort((random_H, row_H))  # the first k of a row in random order are hidden
    rank_H = np.empty_like(place_H)
    rank_H[drawn_H] = place_H
    hidden_H = (way_H == MASK) & (rank_H < count_R[row_H])
    changed = replace(histories, weight_E=np.where(hidden_H, np.float32(0), histories.weight_E))
    return _chosen(changed, order_H, (way_H != CROP) | inside_H)


def same_items(first: Histories, second: Histories) -> npt.NDArray[np.bool_]:
    """Return which histories show the same items as often, in whatever order, RS; what weighs 0 is not shown."""
    key_I = np.random.default_rng(0).integers(1 << 62, size=first.n_items).astype(np.uint64)
    sums = []
    for histories in (first, second):
        shown_H = (histories.weight_E != 0).astype(np.uint64)
        sum_H1 = np.concatenate([np.zeros(1, np.uint64), np.cumsum(key_I[histories.item_E] * shown_H, dtype=np.uint64)])
        sums.append(sum_H1[histories.offset_U1[1:]] - sum_H1[histories.offset_U1[:-1]])  # differences wrap as sums do
    return np.asarray(sums[0][:, None] == sums[1][None, :])


def _chosen(histories: Histories, order_H: Int64, kept_H: npt.NDArray[np.bool_]) -> Histories:
    """Return entries in another order within their histories, without those that are not kept."""
    row_H, index_H = histories.user_E[kept_H], order_H[kept_H[order_H]]
    offset_R1 = np.concatenate([[0], np.cumsum(np.bincount(row_H, minlength=histories.n_users))]).astype(np.int64)
    return replace(
        histories,
        offset_U1=offset_R1,
        item_E=histories.item_E[index_H],
        value_E=histories.value_E[index_H],
        weight_E=histories.weight_E[index_H],
        time_E=histories.time_E[index_H],
    )
