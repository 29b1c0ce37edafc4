"""Predicted ratings and log odds: what the similarity adds to the mean and to the biases of user and item.

B batch rows, U users, I items, E interactions, H rows of the batch's users, G its distinct users.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from reccli.api.batch import Batch
from reccli.api.data import Histories, TrainingData
from reccli.nn.pooling import ragged

__all__ = ["Values"]

SHRINK = 5.0


class Values(nn.Module):
    """Mean, biases and scale around the similarity.

    ::

        prediction = m + b_u + b_i + c * similarity(user, item)

    The user's bias is a trained entry, or, for encoders that serve users who come later, the shrunken mean of what the
    rest of the history leaves unexplained: `sum (y - m - b_i) / (n + 5)`. Labels are predicted as log odds.

    Args:
        data: Training data with ratings or 0/1 labels.
        folding: Whether biases of users come from histories.
        scaled: Whether `c` is trained (for similarities with bounds); else it is 1.
        biased: Whether there are biases; without, the similarity says all that the mean does not.
    """

    mean: Tensor
    offset_U1: Tensor
    item_E: Tensor
    value_E: Tensor

    def __init__(self, data: TrainingData, *, folding: bool, scaled: bool, biased: bool = True) -> None:
        super().__init__()
        train = data.train
        self.labels, self.folding, self.biased = data.task == "ctr", folding and biased, biased
        mean = float(np.average(train.value_E, weights=train.weight_E)) if len(train) else 0.0
        if self.labels:
            share = min(max(mean, 1e-4), 1 - 1e-4)
            self.register_buffer("mean", torch.tensor(np.log(share / (1 - share)), dtype=torch.float32))
        else:
            self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        left_E = self._left(torch.from_numpy(train.value_E), torch.tensor(0.0)).numpy()
        item_I = _shrunken(train.item_E, left_E if biased else 0.0 * left_E, train.n_items)
        self.item_bias_I = nn.Parameter(torch.from_numpy(item_I), requires_grad=biased)
        if not folding and biased:
            left_E = left_E - item_I[train.item_E]
            self.user_bias_U = nn.Parameter(torch.from_numpy(_shrunken(train.user_E, left_E, train.n_users)))
        self.log_scale = nn.Parameter(torch.zeros(()), requires_grad=scaled)
        self.register_buffer("offset_U1", torch.from_numpy(train.offset_U1), persistent=False)
        self.register_buffer("item_E", torch.from_numpy(train.item_E), persistent=False)
        self.register_buffer("value_E", torch.from_numpy(train.value_E), persistent=False)

    def prediction_B(self, similarity_B: Tensor, batch: Batch) -> Tensor:
        """Return predictions of a batch's rows; a row's own value does not reach its user's bias."""
        if not self.biased:
            return self.mean + self.log_scale.exp() * similarity_B.float()
        user_B = self._rest_bias_B(batch) if self.folding else self.user_bias_U[batch.user_B]
        return self.mean + user_B + self.item_bias_I[batch.item_B] + self.log_scale.exp() * similarity_B.float()

    def user_bias_of(self, histories: Histories) -> Tensor:
        """Return the biases of users given by history (`folding`), or of the training users, on the CPU."""
        if not self.biased:
            return torch.zeros(histories.n_users)
        if not self.folding:
            return self.user_bias_U.detach().cpu()
        value_E, bias_I = torch.from_numpy(histories.value_E), self.item_bias_I.detach().cpu()
        left_E = self._left(value_E, bias_I[torch.from_numpy(histories.item_E)], self.mean.cpu())
        return torch.from_numpy(_shrunken(histories.user_E, left_E.numpy(), histories.n_users))

    def _left(self, value_E: Tensor, bias_E: Tensor, mean: Tensor | None = None) -> Tensor:
        """Return what mean and item leave of the values; of labels in log odds, by one Newton step."""
        known_E = (self.mean if mean is None else mean) + bias_E
        return 4.0 * (value_E - known_E.sigmoid()) if self.labels else value_E - known_E

    def _rest_bias_B(self, batch: Batch) -> Tensor:
        user_G, group_B = torch.unique(batch.user_B, return_inverse=True)
        start_G = self.offset_U1[user_G]
        length_G = self.offset_U1[user_G + 1] - start_G
        index_H, begin_G = ragged(start_G, length_G)
        left_H = self._left(self.value_E[index_H], self.item_bias_I.detach()[self.item_E[index_H]])
        group_H = torch.repeat_interleave(torch.arange(len(user_G), device=user_G.device), length_G)
        sum_G = torch.zeros(len(user_G), device=left_H.device).index_add_(0, group_H, left_H)
        own_B = left_H[begin_G[group_B] + batch.row_B - start_G[group_B]]
        return (sum_G[group_B] - own_B) / (length_G[group_B] - 1 + SHRINK)


def _shrunken(code_E: np.ndarray, left_E: np.ndarray, size: int) -> np.ndarray:
    total = np.bincount(code_E, weights=left_E, minlength=size)
    return np.asarray(total / (np.bincount(code_E, minlength=size) + SHRINK), np.float32)
