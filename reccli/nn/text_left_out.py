"""Items left out of the training part, to see how well their texts alone place them.

U users, I items, J items left out, H users with some of them, S score vector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from reccli.api.data import Histories
from reccli.nn.held_out import ndcg

__all__ = ["Generator", "LeftOut", "leave_out"]

Generator = Callable[[str], np.random.Generator]
LEFT_OUT = 0.2
FEWEST = 50
MOST_USERS = 2048
DRAWS = 3


@dataclass(frozen=True)
class LeftOut:
    """A fifth of the items seen in training, and what is left without them.

    Args:
        item_J: The items left out, ascending.
        kept: Training interactions of the others, all users.
        history: Those of the users who have some of the items left out, H rows.
        wanted: What these have of the items left out, by their places in `item_J`.
    """

    item_J: npt.NDArray[np.int64]
    kept: Histories
    history: Histories
    wanted: Histories

    def value(self, user_HS: Tensor, item_JS: Tensor) -> float:
        """Return NDCG@20 of ranking the items left out for the users who have some of them."""
        nothing = Histories.from_arrays([], [], n_users=len(user_HS), n_items=len(item_JS))
        (found,) = ndcg(user_HS.numpy(), item_JS.numpy(), [item_JS.shape[1]], nothing, self.wanted, k=20)
        return float(found)


def leave_out(train: Histories, numpy_generator: Generator) -> list[LeftOut]:
    """Leave a fifth of the items out, three times without overlap; none with too few items or users for that.

    One draw tells little: a few popular items decide it.

    Args:
        train: Training interactions.
        numpy_generator: Gives a generator by name.
    """
    warm = np.flatnonzero(np.bincount(train.item_E, minlength=train.n_items) > 0)
    if len(warm) < FEWEST:
        return []
    order, size = numpy_generator("ridge items").permutation(warm), int(LEFT_OUT * len(warm))
    draws = [np.sort(order[draw * size : (draw + 1) * size]) for draw in range(DRAWS)]
    found = [_without(train, left_J, numpy_generator) for left_J in draws]
    return [left for left in found if left is not None]


def _without(train: Histories, left_J: npt.NDArray[np.int64], numpy_generator: Generator) -> LeftOut | None:
    """Leave these items out; None if no user has some of them and of the others."""
    is_left_E = np.isin(train.item_E, left_J)
    kept, left = _part(train, ~is_left_E), _part(train, is_left_E)
    user_H = np.flatnonzero((kept.length_U > 0) & (left.length_U > 0))
    if len(user_H) > MOST_USERS:
        user_H = np.sort(numpy_generator("ridge users").choice(user_H, MOST_USERS, replace=False))
    if not len(user_H):
        return None
    renumbered = np.zeros(train.n_items, np.int64)
    renumbered[left_J] = np.arange(len(left_J))
    rows = left.rows(user_H)
    wanted = Histories.from_arrays(rows.user_E, renumbered[rows.item_E], n_users=len(user_H), n_items=len(left_J))
    return LeftOut(left_J, kept, kept.rows(user_H), wanted)


def _part(histories: Histories, chosen_E: npt.NDArray[np.bool_]) -> Histories:
    return Histories.from_arrays(
        histories.user_E[chosen_E],
        histories.item_E[chosen_E],
        n_users=histories.n_users,
        n_items=histories.n_items,
        weight_E=histories.weight_E[chosen_E],
        time_E=histories.time_E[chosen_E],
    )
