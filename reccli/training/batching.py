"""Batches as slices of a permutation. E rows, U users, B rows of a batch."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["grouped_batches", "row_batches", "steps_of"]


def row_batches(row_E: Tensor, batch_size: int, generator: torch.Generator) -> list[Tensor]:
    """Return all rows in random order, cut into batches of equal size but for the last."""
    order_E = torch.randperm(len(row_E), generator=generator)
    return list(torch.split(row_E[order_E], batch_size)) if len(row_E) else []


def grouped_batches(
    offset_U1: Tensor, batch_size: int, generator: torch.Generator, *, most: int | None = None
) -> list[Tensor]:
    """Return the rows of users in random order, each user's rows side by side, in batches of about one size.

    A batch begins anew at the first user with whom it would be full, so sizes differ by less than one user's rows.

    Args:
        offset_U1: Where each user's rows begin.
        batch_size: Rows of a batch.
        generator: Draws the order, and the rows where there are too many.
        most: Rows of a user at most, drawn at random; None for all.
    """
    n_users = len(offset_U1) - 1
    user_U = torch.randperm(n_users, generator=generator)
    length_U = offset_U1.diff()[user_U]
    rank_E, row_E = _side_by_side(offset_U1[user_U], length_U)
    if most is not None and len(row_E) and int(length_U.max()) > most:
        group_E = torch.repeat_interleave(torch.arange(n_users), length_U)
        order_E = torch.argsort(group_E + torch.rand(len(row_E), generator=generator, dtype=torch.float64) * 0.999)
        kept_E = order_E[rank_E < most].sort().values
        row_E, length_U = row_E[kept_E], length_U.clamp_max(most)
    if not len(row_E):
        return []
    number_U = (length_U.cumsum(0) - 1).clamp_min(0) // batch_size
    sizes = torch.zeros(int(number_U.max()) + 1, dtype=torch.int64).scatter_add_(0, number_U, length_U)
    return [part for part in torch.split(row_E, sizes.tolist()) if len(part)]


def steps_of(n_rows: int, batch_size: int) -> int:
    """Return about how many batches there are."""
    return max(1, -(-n_rows // batch_size))


def _side_by_side(start_U: Tensor, length_U: Tensor) -> tuple[Tensor, Tensor]:
    begin_U = length_U.cumsum(0) - length_U
    rank_E = torch.arange(int(length_U.sum())) - torch.repeat_interleave(begin_U, length_U)
    return rank_E, torch.repeat_interleave(start_U, length_U) + rank_E
