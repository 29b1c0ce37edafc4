"""From token states to one vector per text, and from item vectors to one vector per user.

B texts, L tokens, D embedding, R users, E interactions, I items.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from reccli.api.data import Histories
from reccli.nn.history_age import aged, ages

__all__ = [
    "divided",
    "interaction_weights",
    "mean_histories",
    "pair_weights",
    "pool_histories",
    "pool_tokens",
    "widened",
]

Float32 = npt.NDArray[np.float32]
TINY = 1e-6


def pool_tokens(state_BLD: Tensor, mask_BL: Tensor, how: str) -> Tensor:
    """Return one unit vector per text, BD: of its tokens the mean (`mean`), the first (`cls`), the last (`last`).

    First and last are those of the mask, so that it does not matter on which side texts are padded; a text without any
    token is a zero.
    """
    if how in ("cls", "last"):
        place_L = torch.arange(mask_BL.shape[1], device=mask_BL.device)
        place_BL = torch.where(mask_BL, place_L, -1 if how == "last" else mask_BL.shape[1])
        place_B = place_BL.amax(1) if how == "last" else place_BL.amin(1)
        row_B = torch.arange(len(mask_BL), device=mask_BL.device)
        state_BD = widened(state_BLD[row_B, place_B.clamp(0, mask_BL.shape[1] - 1)])
        return functional.normalize(state_BD * mask_BL.any(1, keepdim=True), dim=-1)
    weight_BL1 = mask_BL.unsqueeze(-1).to(state_BLD.dtype)
    sum_BD = widened(state_BLD * weight_BL1).sum(1)
    return functional.normalize(sum_BD / widened(weight_BL1).sum(1).clamp_min(1.0), dim=-1)


def widened(tensor: Tensor) -> Tensor:
    """Return half precision as float32, and what is wider as it is."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def interaction_weights(histories: Histories, *, recency: float = 0.0, longest: int = 0) -> Float32:
    """Return the weight of each interaction in its user's vector, E.

    ::

        w_e = weight_e * (1 + age_e) ^ -recency,   0 where age_e >= longest

    with `age_e` the number of later interactions of the same user.

    Args:
        histories: The interactions, oldest first within a user.
        recency: Exponent; 0 weighs all alike, 1 halves the second last.
        longest: Newest interactions of a user that count; 0 for all.
    """
    weight_E = aged(histories, recency).weight_E
    if longest:
        weight_E = np.where(ages(histories) < longest, weight_E, 0.0)
    return weight_E.astype(np.float32)


def pair_weights(histories: Histories, weight_E: Float32) -> Float32:
    """Return, for each interaction, the weight of all interactions of the same user and item together, E."""
    key_E = histories.user_E * histories.n_items + histories.item_E
    _, inverse_E = np.unique(key_E, return_inverse=True)
    total = np.bincount(inverse_E, weights=weight_E)
    return total[inverse_E].astype(np.float32)


def pool_histories(histories: Histories, weight_E: Float32, table_ID: Tensor) -> Tensor:
    """Return the weighted sum of each user's item vectors, RD on the table's device; zeros for an empty history."""
    device = table_ID.device
    if not len(histories):
        return table_ID.new_zeros((histories.n_users, table_ID.shape[1]))
    return functional.embedding_bag(
        torch.from_numpy(histories.item_E).to(device),
        table_ID,
        torch.from_numpy(histories.offset_U1[:-1]).to(device),
        mode="sum",
        per_sample_weights=torch.from_numpy(weight_E).to(device, table_ID.dtype),
    )


def mean_histories(histories: Histories, weight_E: Float32, table_ID: Tensor) -> Tensor:
    """Return the weighted mean of each user's item vectors, RD on the table's device; zeros for an empty history."""
    mass_R = np.bincount(histories.user_E, weights=weight_E, minlength=histories.n_users).astype(np.float32)
    sum_RD = pool_histories(histories, weight_E, table_ID)
    return divided(sum_RD, torch.from_numpy(mass_R).to(sum_RD.device).unsqueeze(1))


def divided(sum_BD: Tensor, mass_B1: Tensor) -> Tensor:
    """Divide sums by their weights; rows without any (up to rounding) are exactly zero."""
    return torch.where(mass_B1 > TINY, sum_BD / mass_B1.clamp_min(TINY), torch.zeros_like(sum_BD))
