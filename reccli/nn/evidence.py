"""What a user's ratings of similar items say of an item: the part of ratings that texts explain.

R pairs of user and item, H history entries of all pairs together, S entries shown of a pair, U users, I items,
E interactions, T text vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from reccli.api.data import Histories
from reccli.nn.pooling import ragged

__all__ = ["Evidence", "Seen"]

SHRINK = 5.0
ROUNDS = 3
PRIOR = 0.5
BLOCK = 1 << 15


@dataclass(frozen=True, slots=True)
class Seen:
    """What histories say of pairs.

    Args:
        evidence_R: Weighted mean of what the biases leave of the user's other ratings; 0 without a history.
        entry_RS: Positions, in the histories, of the entries most like the item, best first; -1 where there are fewer.
        left_RS: What the biases leave of these.
        bias_R: The users' biases without the pairs' items.
    """

    evidence_R: Tensor
    entry_RS: Tensor
    left_RS: Tensor
    bias_R: Tensor


class Evidence(nn.Module):
    """Nearest neighbours in text, over residuals.

    ::

        evidence_ui = sum_j w_ij (y_uj - m - b_j - b_u) / (sum_j w_ij + exp((1/2 - 1) / t))
        w_ij = exp((cos(t_i, t_j) - 1) / t) for the K items j of the history that are most like i, without i

    with `y` the values, `m` their mean, `b` shrunken means of what is left (`reccli.training.values` learns its own),
    that of the user without i, and `t` the temperature.

    Args:
        train: Training interactions.
        unit_IT: Text vectors of unit length.
        nearest: K, 10 to 50.
        temperature: t, 0.05 to 0.2.
        shown: S.

    Notes:
        The sum in the denominator is what shrinks it: one entry that is no more like the item than a cosine of 1/2
        counts half.

    Paper:
        Koren: Factor in the Neighbors: Scalable and Accurate Collaborative Filtering, TKDD 4(1), 2010,
        https://doi.org/10.1145/1644873.1644874, equation 3 (neighbours over residuals), with similarities of texts.
    """

    unit_IT: Tensor
    mean: Tensor
    bias_I: Tensor

    def __init__(self, train: Histories, unit_IT: Tensor, *, nearest: int, temperature: float, shown: int) -> None:
        super().__init__()
        self.train_histories, self.nearest, self.temperature, self.shown = train, nearest, temperature, shown
        mean, bias_I = _biases(train)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("bias_I", torch.from_numpy(bias_I))
        self.register_buffer("unit_IT", unit_IT, persistent=False)

    def forward(self, user_R: Tensor, item_R: Tensor, histories: Histories | None = None) -> Seen:
        """Return what the histories (those of training without any) say of pairs, block by block."""
        known = self.train_histories if histories is None else histories
        device = self.bias_I.device
        offset_U1 = torch.from_numpy(known.offset_U1).to(device)
        item_E = torch.from_numpy(known.item_E).to(device)
        left_E = torch.from_numpy(known.value_E).to(device) - self.mean - self.bias_I[item_E]
        length_R = (offset_U1[user_R + 1] - offset_U1[user_R]).cpu().numpy()
        blocks = [
            self._block(user_R[low:high], item_R[low:high], offset_U1, item_E, left_E)
            for low, high in _blocks(length_R)
        ]
        return Seen(
            torch.cat([block.evidence_R for block in blocks]),
            torch.cat([block.entry_RS for block in blocks]),
            torch.cat([block.left_RS for block in blocks]),
            torch.cat([block.bias_R for block in blocks]),
        )

    def _block(self, user_R: Tensor, item_R: Tensor, offset_U1: Tensor, item_E: Tensor, left_E: Tensor) -> Seen:
        length_R = offset_U1[user_R + 1] - offset_U1[user_R]
        index_H, begin_R = ragged(offset_U1[user_R], length_R)
        row_H = torch.repeat_interleave(torch.arange(len(user_R), device=index_H.device), length_R)
        other_H = item_E[index_H] != item_R[row_H]
        cosine_H = (self.unit_IT[item_R][row_H] * self.unit_IT[item_E[index_H]]).sum(1)
        cosine_H = cosine_H.masked_fill(~other_H, -torch.inf)
        rank_H = _rank_within(cosine_H, row_H, begin_R)
        left_H, count_R = left_E[index_H], torch.zeros_like(item_R, dtype=torch.float32)
        total_R = torch.zeros_like(count_R).index_add_(0, row_H, left_H * other_H)
        count_R = count_R.index_add_(0, row_H, other_H.float())
        bias_R = total_R / (count_R + SHRINK)
        left_H = left_H - bias_R[row_H]
        weight_H = torch.exp((cosine_H - 1) / self.temperature) * ((rank_H < self.nearest) & other_H)
        mass_R = torch.zeros_like(count_R).index_add_(0, row_H, weight_H)
        sum_R = torch.zeros_like(count_R).index_add_(0, row_H, weight_H * left_H)
        evidence_R = sum_R / (mass_R + float(np.exp((PRIOR - 1) / self.temperature)))
        entry_RS = torch.full((len(user_R), self.shown), -1, device=index_H.device)
        left_RS = torch.zeros(len(user_R), self.shown, device=index_H.device)
        best_H = (rank_H < self.shown) & other_H
        entry_RS[row_H[best_H], rank_H[best_H]] = index_H[best_H]
        left_RS[row_H[best_H], rank_H[best_H]] = left_H[best_H]
        return Seen(evidence_R, entry_RS, left_RS, bias_R)


def _blocks(length_R: np.ndarray) -> list[tuple[int, int]]:
    """Cut pairs so that the histories of a block have about `BLOCK` entries together."""
    number_R = np.cumsum(length_R + 1) // BLOCK
    edges = [0, *(np.flatnonzero(np.diff(number_R)) + 1).tolist(), len(length_R)]
    return list(pairwise(edges))


def _rank_within(value_H: Tensor, row_H: Tensor, begin_R: Tensor) -> Tensor:
    """Return the place of each entry in its row, the highest value first, ties as they stand."""
    order_H = torch.argsort(value_H, descending=True, stable=True)
    order_H = order_H[torch.argsort(row_H[order_H], stable=True)]
    rank_H = torch.empty_like(order_H)
    rank_H[order_H] = torch.arange(len(order_H), device=order_H.device)
    return rank_H - begin_R[row_H]


def _biases(train: Histories) -> tuple[float, np.ndarray]:
    """Return the mean, and the shrunken biases of items beside those of users, by turns."""
    mean = float(train.value_E.mean()) if len(train) else 0.0
    user_E, bias_U = train.user_E, np.zeros(train.n_users)
    bias_I = np.zeros(train.n_items)
    for _ in range(ROUNDS):
        bias_I = _shrunken(train.item_E, train.value_E - mean - bias_U[user_E], train.n_items)
        bias_U = _shrunken(user_E, train.value_E - mean - bias_I[train.item_E], train.n_users)
    return mean, bias_I.astype(np.float32)


def _shrunken(code_E: np.ndarray, left_E: np.ndarray, size: int) -> np.ndarray:
    total = np.bincount(code_E, weights=left_E, minlength=size)
    return np.asarray(total / (np.bincount(code_E, minlength=size) + SHRINK))
