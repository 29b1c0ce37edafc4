"""Sums over histories of many lengths at once, without padding.

I items, B bags, H entries of all bags together, D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["pool", "ragged", "recency"]


def ragged(start_B: Tensor, length_B: Tensor) -> tuple[Tensor, Tensor]:
    """Return the numbers `start`, `start + 1`, ... of each bag side by side (H), and where each bag begins (B)."""
    end_B = length_B.cumsum(0)
    begin_B = end_B - length_B
    shift_H = torch.repeat_interleave(start_B - begin_B, length_B)
    return shift_H + torch.arange(len(shift_H), device=start_B.device), begin_B


def pool(table_ID: Tensor, item_H: Tensor, begin_B: Tensor, weight_H: Tensor) -> Tensor:
    """Return the weighted sum of each bag's item vectors, BD; an empty bag gives zeros.

    Args:
        table_ID: Item vectors.
        item_H: Item codes, bag after bag.
        begin_B: Where each bag begins in `item_H`.
        weight_H: Weight of each entry; gradients reach it.
    """
    if not len(item_H):
        return table_ID.new_zeros(len(begin_B), table_ID.shape[1])
    return functional.embedding_bag(
        item_H, table_ID, begin_B, mode="sum", per_sample_weights=weight_H.to(table_ID.dtype)
    )


def recency(age_H: Tensor, exponent: Tensor) -> Tensor:
    """Return `(1 + age)^(-exponent)`: 1 for the newest entry (age 0), falling by a power law.

    A power law fits how fast tastes pass better than an exponential one: what is old counts little, but not nothing.
    """
    return (1.0 + age_H).pow(-exponent)
