"""Iterative k-core: the largest set of rows in which every user and every item has enough rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["core_mask"]


def core_mask(
    user_E: npt.NDArray[np.uint32], item_E: npt.NDArray[np.uint32], *, least_user: int, least_item: int
) -> npt.NDArray[np.bool_]:
    """Mark the rows of the k-core.

    Dropping a user can leave an item short, and the other way round, so it is repeated until nothing changes; the
    result does not depend on the order.

    Args:
        user_E: User code of each row.
        item_E: Item code of each row.
        least_user: Least rows of a user; 0 or 1 asks for nothing.
        least_item: Least rows of an item.
    """
    kept = np.arange(len(user_E), dtype=np.int64)
    user, item = user_E, item_E
    while len(kept):
        enough = (np.bincount(user)[user] >= least_user) & (np.bincount(item)[item] >= least_item)
        if enough.all():
            break
        kept, user, item = kept[enough], user[enough], item[enough]
    mask = np.zeros(len(user_E), np.bool_)
    mask[kept] = True
    return mask
