"""The health of a model's vectors at one validation: numbers of `reccli.nn.health` on a fixed sample.

U users validated on, I items, P positive pairs, N rows sampled, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reccli.nn import health
from reccli.training.health_log import HEALTH

__all__ = ["MOST_ROWS", "HealthSample"]

MOST_ROWS = 1024
"""Of users, of items and of pairs: enough for two digits, at 1 to 3 % of an epoch over 80,000 rows, less over more."""


@dataclass(frozen=True)
class HealthSample:
    """Which users, items and positive pairs are measured: the same at every validation of a run.

    Args:
        user_N: Rows of users, in random order.
        item_N: Items, in random order.
        user_P: Rows of the users of positive pairs that were not trained on.
        item_P: Their items.
    """

    user_N: np.ndarray
    item_N: np.ndarray
    user_P: np.ndarray
    item_P: np.ndarray

    @classmethod
    def draw(
        cls,
        n_users: int,
        known_I: np.ndarray,
        pairs: tuple[np.ndarray, np.ndarray],
        generator: np.random.Generator,
        *,
        most: int = MOST_ROWS,
    ) -> HealthSample:
        """Draw at most so many of each.

        Args:
            n_users: Users validated on.
            known_I: Items with a vector that means something.
            pairs: Rows of users and items of the positive pairs; those with items that mean nothing are left out.
            generator: Draws.
            most: Largest number of each.
        """
        kept = np.flatnonzero(known_I[pairs[1]])
        user_N, item_N, pair_P = (
            generator.permutation(rows)[:most] for rows in (np.arange(n_users), np.flatnonzero(known_I), kept)
        )
        return cls(user_N, item_N, pairs[0][pair_P], pairs[1][pair_P])

    def __call__(self, user_UD: np.ndarray, item_ID: np.ndarray) -> dict[str, float]:
        """Return alignment, and of users and of items uniformity, effective rank, mean cosine and dead dimensions.

        The names begin with `health.`; what cannot be said (of fewer than two rows, without pairs, of vectors that are
        not finite or have a single number) is not there.

        Args:
            user_UD: Vectors of the users validated on.
            item_ID: Vectors of the catalogue.
        """
        user_ND, item_ND = _unit(user_UD[self.user_N]), _unit(item_ID[self.item_N])
        if user_ND.shape[1] < 2 or not bool(user_ND.isfinite().all() and item_ND.isfinite().all()):
            return {}
        found = {}
        if len(self.user_P):
            found["alignment"] = health.alignment(_unit(user_UD[self.user_P]), _unit(item_ID[self.item_P]))
        for kind, unit_ND in (("users", user_ND), ("items", item_ND)):
            if len(unit_ND) > 1:
                found |= {f"{kind}.{name}": value for name, value in _spread(unit_ND).items()}
        return {HEALTH + name: value for name, value in found.items()}


def _unit(vector_ND: np.ndarray) -> Tensor:
    return health.unit(torch.from_numpy(np.ascontiguousarray(vector_ND)))


def _spread(unit_ND: Tensor) -> dict[str, float]:
    first_PD, second_PD = unit_ND[:-1], unit_ND[1:]  # the order of a sample is random, and so are neighbours in it
    return {
        "uniformity": health.uniformity(first_PD, second_PD),
        "effective_rank": health.effective_rank(unit_ND),
        "mean_cosine": health.mean_cosine(first_PD, second_PD),
        "dead": health.dead_share(unit_ND),
    }
