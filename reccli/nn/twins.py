"""Items that have the same text, and histories that know them as one. U users, I items, E interactions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories

__all__ = ["twins", "with_twins"]

MOST = 50
"""Items with one text that are taken for one thing; a text that more of them have ("unknown") says nothing."""


def twins(texts: Sequence[str] | None, n_items: int) -> npt.NDArray[np.int64]:
    """Return for each item the first one that has the same text, I; letter case and spaces do not matter.

    An item without a text, or with one that more than 50 have, is its own.
    """
    own_I = np.arange(n_items)
    if texts is None:
        return own_I
    plain = np.array([" ".join(text.casefold().split()) for text in texts], dtype=object)
    _, first_G, group_I, count_G = np.unique(plain, return_index=True, return_inverse=True, return_counts=True)
    apart_I = (plain == "") | (count_G[group_I] > MOST)
    return np.where(apart_I, own_I, first_G[group_I]).astype(np.int64)


def with_twins(histories: Histories, twin_I: npt.NDArray[np.int64]) -> Histories:
    """Return histories in which a user knows, besides an item, all that have the same text; values and times repeat."""
    members = np.argsort(twin_I, kind="stable")
    begin_I = np.searchsorted(twin_I[members], np.arange(len(twin_I) + 1))
    count_E = np.diff(begin_I)[twin_I[histories.item_E]]
    if (count_E == 1).all():
        return histories
    row_X = np.repeat(np.arange(len(histories)), count_E)
    within_X = np.arange(len(row_X)) - np.repeat(count_E.cumsum() - count_E, count_E)
    item_X = members[begin_I[twin_I[histories.item_E]][row_X] + within_X]
    return Histories.from_arrays(
        histories.user_E[row_X],
        item_X,
        n_users=histories.n_users,
        n_items=histories.n_items,
        value_E=histories.value_E[row_X],
        weight_E=histories.weight_E[row_X],
        time_E=histories.time_E[row_X],
    )
