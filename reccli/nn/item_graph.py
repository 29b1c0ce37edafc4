"""Walks from items to items, over the users who met both. U users, I items, V vertices (U + I), D embedding."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from reccli.api.data import Histories
from reccli.api.walk import Walk
from reccli.nn.propagation import Propagation

__all__ = ["ItemGraph"]


class ItemGraph(nn.Module):
    """Propagation among items alone: a layer is two steps over the graph of interactions.

    ::

        x_l = N^T N x_(l-1)            N = D_u^(-1/2) X D_i^(-1/2)

    Args:
        histories: The graph's edges; weights count.
        layers: L; 0 gives the vectors back.

    Shapes:
        item_ID -> walk of L + 1 layers ID.
    """

    def __init__(self, histories: Histories, layers: int) -> None:
        super().__init__()
        self.layers = layers
        self.propagation = Propagation(histories, 1)

    def walk(
        self,
        item_ID: Tensor,
        *,
        step: Callable[[Tensor], Tensor] | None = None,
        disturb: Callable[[Tensor], Tensor] | None = None,
    ) -> Walk:
        """Return the vectors and what each layer makes of them.

        Args:
            item_ID: Vectors of items.
            step: One step over another graph of users and items, VD to VD, users first; None for this one.
            disturb: Changes the vectors after each layer, ID to ID.
        """
        one = self.propagation.step if step is None else step
        n_users = self.propagation.n_users

        def twice(vector_ID: Tensor) -> Tensor:
            nobody_UD = vector_ID.new_zeros(n_users, vector_ID.shape[1])
            return one(one(torch.cat([nobody_UD, vector_ID])))[n_users:]

        layers = [item_ID.float()]
        for _ in range(self.layers):
            vector_ID = twice(layers[-1])
            layers.append(vector_ID if disturb is None else disturb(vector_ID))
        return Walk(tuple(layers), 0, twice, period=1)
