"""Who and what the numbers are about: users by length of history, items by how often training met them.

U users, I items, E interactions.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from reccli.api import Histories

__all__ = ["item_slices", "keep_items", "user_slices"]

Int64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def user_slices(length_U: Int64, *, short_at_most: int | None = None) -> dict[str, Mask]:
    """Split users by training interactions into `cold-users` (none), `short-users` and `long-users`.

    Args:
        length_U: Training interactions of each user.
        short_at_most: Longest short history; None: the median of those who have one, so that the two halves are about
            equal.

    Returns:
        A mask per slice; every user is in one.
    """
    warm_U = length_U > 0
    if short_at_most is None:
        short_at_most = int(np.median(length_U[warm_U])) if warm_U.any() else 0
    return {
        "cold-users": ~warm_U,
        "short-users": warm_U & (length_U <= short_at_most),
        "long-users": warm_U & (length_U > short_at_most),
    }


def item_slices(count_I: Int64, *, head_share: float = 0.2) -> dict[str, Mask]:
    """Split items by training interactions into `cold-items` (none), `tail-items` and `head-items`.

    Args:
        count_I: Training interactions of each item.
        head_share: Share of the warm items that are the head: the most met ones, ties by item code, at least one.

    Returns:
        A mask per slice; every item is in one.
    """
    warm_I = count_I > 0
    n_head = math.ceil(head_share * int(warm_I.sum()))
    head_I = np.zeros(len(count_I), dtype=np.bool_)
    head_I[np.argsort(-count_I, kind="stable")[:n_head]] = True
    return {"cold-items": ~warm_I, "tail-items": warm_I & ~head_I, "head-items": head_I}


def keep_items(held: Histories, keep_I: Mask) -> Histories:
    """Return the held-out pairs whose item is kept: what an item slice is scored on, with the lists as they are."""
    kept_E = keep_I[held.item_E]
    return Histories(
        np.concatenate([[0], np.cumsum(kept_E)])[held.offset_U1].astype(np.int64),
        held.item_E[kept_E],
        held.value_E[kept_E],
        held.weight_E[kept_E],
        held.time_E[kept_E],
        held.n_items,
    )
