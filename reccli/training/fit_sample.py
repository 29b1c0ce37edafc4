"""A part of the train rows that is laid out as the validation part is, to measure how well they are fitted.

U users, I items, E train interactions, P distinct pairs of user and item.
"""

from __future__ import annotations

import numpy as np

from reccli.api.data import Histories

__all__ = ["split_fitted"]


def split_fitted(train: Histories, held: Histories, generator: np.random.Generator) -> tuple[Histories, Histories]:
    """Return histories without a sample of the train rows, and the sample.

    Of each user with held-out rows as many pairs of user and item are drawn as are held out, at most all but one; where
    all held-out items are new, all rows of as many items. The sample was trained on, and is looked for as what is held
    out is: the gap between a metric on both is what training fits beyond what it knows.

    Args:
        train: What was trained on.
        held: The validation part.
        generator: Draws the sample.
    """
    count_I = np.bincount(train.item_E, minlength=train.n_items)
    held_I = np.bincount(held.item_E, minlength=train.n_items) > 0
    if held_I.any() and not (held_I & (count_I > 0)).any():
        warm = np.flatnonzero(count_I)
        chosen = generator.choice(warm, min(int(held_I.sum()), len(warm) // 2), replace=False)
        sampled_E = np.isin(train.item_E, chosen)
    else:
        sampled_E = _pairs_like(train, held.length_U, generator)
    return _only(train, ~sampled_E), _only(train, sampled_E)


def _pairs_like(train: Histories, wanted_U: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return which rows belong to the pairs drawn: of each user as many pairs as wanted, but one stays."""
    key_P, pair_E = np.unique(train.user_E * train.n_items + train.item_E, return_inverse=True)
    user_P = key_P // train.n_items
    pairs_U = np.bincount(user_P, minlength=train.n_users)
    order_P = np.lexsort((generator.random(len(key_P)), user_P))  # users side by side, each one's pairs shuffled
    place_P = np.arange(len(key_P)) - np.repeat(np.cumsum(pairs_U) - pairs_U, pairs_U)
    drawn_P = np.zeros(len(key_P), np.bool_)
    drawn_P[order_P] = place_P < np.minimum(wanted_U, np.maximum(pairs_U - 1, 0))[user_P]
    return drawn_P[pair_E]


def _only(rows: Histories, keep_E: np.ndarray) -> Histories:
    return Histories.from_arrays(
        rows.user_E[keep_E],
        rows.item_E[keep_E],
        n_users=rows.n_users,
        n_items=rows.n_items,
        value_E=rows.value_E[keep_E],
        weight_E=rows.weight_E[keep_E],
        time_E=rows.time_E[keep_E],
    )
