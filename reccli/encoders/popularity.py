"""Popularity: everybody gets what most people have. U users, I items."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from reccli.api import Context, Encoder, Histories, TrainingData

__all__ = ["Popularity"]


class Popularity(Encoder):
    """Score items by the logarithm of their training interactions, the same for every user.

    ::

        user = [1]        item_i = [log(1 + c_i)]

    with `c_i` the weighted training interactions of item i.

    Shapes:
        histories -> U x 1; items -> I x 1.

    Notes:
        A closed form: nothing is trained, and a loss given with it is refused. It is the baseline that everything has
        to beat, and what users without a history get.

    Paper:
        Ji, Sun, Zhang, Li: A Re-visit of the Popularity Baseline in Recommender Systems, SIGIR 2020,
        https://arxiv.org/abs/2005.13829 ("MostPop").

    Pairs well with:
        Nothing: it stands alone.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 1, 1], [0, 0, 1], n_users=2, n_items=2))
        >>> encoder = Popularity()
        >>> encoder.setup(data, Context())
        >>> encoder.export_items().round(decimals=2).tolist()
        [[1.100000023841858], [0.6899999976158142]]
    """

    trainable: ClassVar[bool] = False
    serves_new_users: bool = True
    item_I1: Tensor

    def dot_alone(self, task: str) -> bool:
        """Return true: a direction of one number says nothing."""
        return True

    def setup(self, data: TrainingData, context: Context) -> None:
        """Count."""
        self.n_items = data.n_items
        count_I = np.bincount(data.train.item_E, weights=data.train.weight_E, minlength=data.n_items)
        self.register_buffer("item_I1", torch.from_numpy(np.log1p(count_I).astype(np.float32)[:, None]))

    def items(self, item_N: Tensor) -> Tensor:
        """Return the logarithms of the counts, N x 1."""
        return self.item_I1[item_N]

    def export_users(self, histories: Histories) -> Tensor:
        """Return ones, U x 1, whatever the histories."""
        return torch.ones(histories.n_users, 1)

    def warm_items(self) -> Tensor:
        """Return which items have been met in training."""
        return self.item_I1[:, 0].cpu() > 0
