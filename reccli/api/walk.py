"""A walk over the graph of interactions, as an encoder offers it to auxiliary tasks.

V vertices (users, then items), B rows of a batch, G distinct users or items of it, D embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from reccli.api.batch import Batch

__all__ = ["Walk"]


@dataclass(frozen=True)
class Walk:
    """Vectors of all vertices after each layer of propagation, with gradients.

    Args:
        layers: L + 1 tensors VD; the first holds the trained tables, and each further one is `step` of the one before
            (changed by `Encoder.disturb` in a training step's own walk).
        n_users: How many vertices are users, the first ones; 0 where items alone are walked over.
        step: One layer, VD to VD: linear, and without parameters.
        period: Layers after which what arrives comes from vertices of one's own kind: 2 between users and items.
    """

    layers: tuple[Tensor, ...]
    n_users: int
    step: Callable[[Tensor], Tensor]
    period: int = 2

    @cached_property
    def mean_VD(self) -> Tensor:
        """Mean over all layers: what the encoder's vectors are made of."""
        total_VD = self.layers[0]
        for layer_VD in self.layers[1:]:
            total_VD = total_VD + layer_VD
        return total_VD / len(self.layers)

    def vertices(self, batch: Batch) -> list[Tensor]:
        """Return the distinct users of a batch and its distinct positives as vertices, G each; items alone without."""
        item_G = torch.unique(batch.item_B) + self.n_users
        return [torch.unique(batch.user_B), item_G] if self.n_users else [item_G]
