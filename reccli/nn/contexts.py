"""Pairs of items that one user has met, drawn near each other. B rows, E interactions, U users."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["draw_context", "turned"]


def draw_context(row_B: Tensor, offset_U1: Tensor, user_B: Tensor, window: int, generator: torch.Generator) -> Tensor:
    """Return for each interaction another one of its user, at most `window` places away; itself where there is none.

    Args:
        row_B: Positions of interactions, users' rows side by side, oldest first.
        offset_U1: Where each user's rows begin.
        user_B: The user of each of them.
        window: Places, 0 for the whole history.
        generator: Draws, on the CPU.
    """
    low_B, high_B = offset_U1[user_B], offset_U1[user_B + 1]
    if window:
        low_B, high_B = torch.maximum(low_B, row_B - window), torch.minimum(high_B, row_B + window + 1)
    others_B = high_B - low_B - 1
    random_B = torch.rand(len(row_B), generator=generator, dtype=torch.float64).to(row_B.device)
    drawn_B = low_B + (random_B * others_B).long()
    drawn_B = drawn_B + (drawn_B >= row_B).long()  # the row itself is left out
    return torch.where(others_B > 0, drawn_B, row_B)


def turned(user_UD: Tensor, item_ID: Tensor) -> tuple[Tensor, Tensor]:
    """Return the same vectors turned so that leading columns hold most of them; dot products stay what they are."""
    both_VD = torch.cat([user_UD, item_ID]).double()
    _, turn_DD = torch.linalg.eigh(both_VD.T @ both_VD)
    turn_DD = turn_DD.flip(1)
    return (user_UD.double() @ turn_DD).float(), (item_ID.double() @ turn_DD).float()
