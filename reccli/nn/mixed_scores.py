"""Scores of several models, mixed: one product of longer vectors. U users, I items, D numbers of a model's vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Deviations", "mixed_users"]


class Deviations:
    """How far a user's scores of all items lie from each other, without computing them.

    ::

        d(u)^2 = u^T S u            S = covariance of the items' vectors

    Args:
        item_ID: Vectors of the items that count; may be none.
    """

    def __init__(self, item_ID: Tensor) -> None:
        centred_ID = item_ID - item_ID.mean(0) if len(item_ID) else item_ID
        self.covariance_DD = centred_ID.T @ centred_ID / max(len(item_ID), 1)

    def __call__(self, user_UD: Tensor) -> Tensor:
        """Return the standard deviation of each user's scores, U."""
        return ((user_UD @ self.covariance_DD) * user_UD).sum(1).clamp_min(0.0).sqrt()


def mixed_users(parts: Sequence[tuple[Tensor, Deviations, float]]) -> Tensor:
    """Return users whose products with the parts' item vectors, side by side, are the weighted sum of their scores.

    ::

        score = sum over parts of  w_p (u_p . i_p) / d_p(u)

    Each part's scores are brought to a deviation of 1 first, so that weights mean the same for every user. A part in
    which a user's scores are all the same adds nothing.

    Args:
        parts: Users UD, the deviations of their scores, and the weight of each model.

    Paper:
        Montague, Aslam: Relevance Score Normalization for Metasearch, CIKM 2001,
        https://doi.org/10.1145/502585.502657 (by mean and deviation; the mean is the same for all items).
    """
    scaled = []
    for user_UD, deviations, weight in parts:
        deviation_U1 = deviations(user_UD)[:, None]
        scale_U1 = torch.where(deviation_U1 > 0, weight / deviation_U1.clamp_min(1e-30), deviation_U1.new_zeros(()))
        scaled.append(user_UD * scale_U1)
    return torch.cat(scaled, dim=1)
