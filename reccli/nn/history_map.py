"""What is pooled of a history, and how the mean becomes a user. N items, B users, D embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["HistoryMap"]


class HistoryMap(nn.Module):
    """Items of a history by their directions alone, some numbers dropped in training; their mean is mapped.

    ::

        seen_j = drop(unit(v_j))          user = W mean + w_0

    with `W` the identity at the start, and `w_0` 0. Without the map users and items would lie at the same place, and
    what comes next is not what came before.

    Args:
        size: D.
        dropout: Share of the numbers that a step does not see, 0.2 to 0.7.

    Shapes:
        mean_BD -> BD.
    """

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.weight_DD = nn.Parameter(torch.eye(size))
        self.shift_D = nn.Parameter(torch.zeros(size))

    def seen(self, vector_ND: Tensor) -> Tensor:
        """Return what a history shows of items, ND."""
        return functional.dropout(functional.normalize(vector_ND, dim=1), self.dropout, self.training)

    def forward(self, mean_BD: Tensor) -> Tensor:
        """Return users, BD."""
        return mean_BD @ self.weight_DD.T + self.shift_D
