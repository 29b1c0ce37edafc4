"""Scores of several models, mixed: one product of longer vectors. U users, I items, D numbers of a model's vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Deviations", "mixed_users"]

DOUBTFUL = 1e-4
"""Share of the greatest possible variance below which the product with the covariance has lost digits of it."""
ROUNDING = 8.0
"""Units of rounding of the scores themselves, up to which they are all the same."""
BLOCK = 8192


class Deviations:
    """How far a user's scores of all items lie from each other, without computing them.

    ::

        d(u)^2 = u^T S u            S = covariance of the items' vectors

    Where that is a small share of `|u|^2` times the trace of `S`, rounding would be most of it: there it is taken from
    the scores after all. A deviation within the rounding of the scores (`|u|` times the root mean square length of
    items, times a few units of rounding) is 0: divided by, it would blow noise up.

    Args:
        item_ID: Vectors of the items that count; may be none.
    """

    def __init__(self, item_ID: Tensor) -> None:
        count = max(len(item_ID), 1)
        self.item_ID, self.mean_D = item_ID, item_ID.sum(0) / count
        centred_ID = item_ID - self.mean_D
        self.covariance_DD = centred_ID.T @ centred_ID / count
        self.length = float(item_ID.square().sum() / count) ** 0.5

    def __call__(self, user_UD: Tensor) -> Tensor:
        """Return the standard deviation of each user's scores, U."""
        variance_U = ((user_UD @ self.covariance_DD) * user_UD).sum(1)
        square_U = user_UD.square().sum(1)
        doubtful_U = variance_U < DOUBTFUL * square_U * self.covariance_DD.trace()
        if bool(doubtful_U.any()):
            variance_U = variance_U.masked_scatter(doubtful_U, self._of_scores(user_UD[doubtful_U]))
        deviation_U = variance_U.clamp_min(0.0).sqrt()
        least_U = ROUNDING * torch.finfo(user_UD.dtype).eps * self.length * square_U.sqrt()
        return deviation_U.where(deviation_U > least_U, 0.0)

    def _of_scores(self, user_UD: Tensor) -> Tensor:
        """Return the variance of each user's scores from the scores, U."""
        total_U = torch.zeros(len(user_UD), dtype=torch.float64, device=user_UD.device)
        for some_BD in torch.split(self.item_ID, BLOCK):
            total_U += (user_UD @ (some_BD - self.mean_D).T).double().square().sum(1)
        return (total_U / max(len(self.item_ID), 1)).to(user_UD.dtype)


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
