"""Which entries of a history make the user of a training row: the rest of it, or what came before, some of it hidden.

B rows of a batch, R bags (distinct users, or rows), H entries of all bags together, U users, E interactions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from reccli.api.batch import Batch
from reccli.api.component import Context
from reccli.api.data import Histories, TrainingData
from reccli.nn.pooling import pool, ragged, recency

__all__ = ["Bags", "HistoryBags"]

TINY = 1e-5


@dataclass(frozen=True, slots=True)
class Bags:
    """Histories side by side.

    Args:
        item_H: Item codes, bag after bag.
        weight_H: Weight of each entry.
        begin_R: Where each bag begins.
        place_B: Bag of each row.
        own_B: Weight with which each row's own item is in its bag, to be taken out.
        mass_B: Sum of the absolute weights of each row, its own item left out.
    """

    item_H: Tensor
    weight_H: Tensor
    begin_R: Tensor
    place_B: Tensor
    own_B: Tensor
    mass_B: Tensor

    def mean(self, table_ID: Tensor, own_BD: Tensor | None = None) -> Tensor:
        """Return the weighted mean of each row's entries, BD; zeros where there are none.

        Args:
            table_ID: Vectors of items.
            own_BD: Vectors of the rows' own items, to be taken out; None where none is in.
        """
        total_BD = pool(table_ID, self.item_H, self.begin_R, self.weight_H)[self.place_B]
        if own_BD is not None:
            total_BD = total_BD - self.own_B[:, None] * own_BD
        return torch.where(self.known_B1, total_BD / self.mass_B.clamp_min(TINY)[:, None], torch.zeros_like(total_BD))

    @property
    def known_B1(self) -> Tensor:
        """Whether a row has any entry (up to rounding)."""
        return (self.mass_B > TINY)[:, None]


class HistoryBags(nn.Module):
    """The training histories, and what of them is seen from each row.

    With an order (`causal`) a row sees what came before it, at most `window` entries, of which a share is hidden in an
    epoch, and older ones count less, by a trained exponent. Without one a share of all entries is hidden in an epoch,
    each row sees the entries of its user that are not, its own left out, and the hidden ones are trained on, so that
    all rows of a user share one bag.

    Args:
        data: Training data; for ratings and labels an entry's weight is times its value in deviations from the mean.
        context: Decides what is hidden, by epoch.
        causal: Whether rows see the past alone.
        share: Share of entries that is hidden.
        window: Entries looked back upon (`causal`).
    """

    offset_U1: Tensor
    item_E: Tensor
    weight_E: Tensor
    centre: Tensor

    def __init__(self, data: TrainingData, context: Context, *, causal: bool, share: float, window: int) -> None:
        super().__init__()
        self.causal, self.share, self.window, self._context = causal, share, window, context
        self.age_exponent = nn.Parameter(torch.tensor(0.5 if causal else 0.0), requires_grad=causal)
        self.register_buffer("centre", torch.tensor(_centre(data)))
        train = data.train
        self.register_buffer("offset_U1", torch.from_numpy(train.offset_U1), persistent=False)
        self.register_buffer("item_E", torch.from_numpy(train.item_E), persistent=False)
        self.register_buffer("weight_E", self.weights(train), persistent=False)
        self.hidden_E: Tensor | None = None

    @property
    def shared(self) -> bool:
        """Whether all rows of a user see the same."""
        return not self.causal and self.share > 0

    def weights(self, histories: Histories) -> Tensor:
        """Return the weight of each entry before its age counts, E."""
        mean, deviation = self.centre.tolist()
        value_E = (histories.value_E - mean) / deviation if deviation else 1.0
        return torch.from_numpy((histories.weight_E * value_E).astype(np.float32))

    def begin_epoch(self, epoch: int) -> None:
        """Draw what is hidden in this epoch: a function of seed and epoch alone."""
        drawn_E = torch.rand(len(self.item_E), generator=self._context.generator(f"history hidden in epoch {epoch}"))
        self.hidden_E = (drawn_E < self.share).to(self.item_E.device) if self.share else None

    def rows_of_epoch(self) -> Tensor | None:
        """Return the rows that are trained on: the hidden ones where rows are predicted from the others."""
        return self.hidden_E if self.shared else None

    def of_rows(self, batch: Batch) -> Bags:
        """Return what each row of a batch sees."""
        return self._before(batch) if self.causal else self._rest(batch)

    def of_users(self, histories: Histories, *, hiding: bool = False) -> Bags:
        """Return whole histories, one bag a user.

        Args:
            histories: Any users'.
            hiding: Whether in training the same share of them is hidden as from training rows, drawn anew.
        """
        device = self.item_E.device
        offset_U1 = torch.from_numpy(histories.offset_U1).to(device)
        item_H, weight_H = torch.from_numpy(histories.item_E).to(device), self.weights(histories).to(device)
        if self.causal:
            newest_H = torch.repeat_interleave(offset_U1[1:] - 1, offset_U1.diff())
            age_H = newest_H - torch.arange(len(item_H), device=device)
            weight_H = weight_H * recency(age_H, self.age_exponent) * (age_H < self.window)
        if hiding and self.training and self.share:
            weight_H = weight_H * (torch.rand(len(weight_H), device=device) >= self.share)
        begin_U = offset_U1[:-1]
        place_U = torch.arange(histories.n_users, device=device)
        mass_U = _sums(weight_H.abs(), begin_U)
        return Bags(item_H, weight_H, begin_U, place_U, torch.zeros_like(mass_U), mass_U)

    def _rest(self, batch: Batch) -> Bags:
        user_G, group_B = torch.unique(batch.user_B, return_inverse=True)
        start_G = self.offset_U1[user_G]
        index_H, begin_G = ragged(start_G, self.offset_U1[user_G + 1] - start_G)
        weight_H = self.weight_E[index_H] * self._shown(index_H)
        own_B = weight_H[begin_G[group_B] + batch.row_B - start_G[group_B]]
        mass_B = _sums(weight_H.abs(), begin_G)[group_B] - own_B.abs()
        return Bags(self.item_E[index_H], weight_H, begin_G, group_B, own_B, mass_B)

    def _before(self, batch: Batch) -> Bags:
        first_B = torch.maximum(self.offset_U1[batch.user_B], batch.row_B - self.window)
        length_B = batch.row_B - first_B
        index_H, begin_B = ragged(first_B, length_B)
        age_H = torch.repeat_interleave(batch.row_B - 1, length_B) - index_H
        weight_H = self.weight_E[index_H] * self._shown(index_H) * recency(age_H, self.age_exponent)
        mass_B = _sums(weight_H.abs(), begin_B)
        place_B = torch.arange(len(batch), device=index_H.device)
        return Bags(self.item_E[index_H], weight_H, begin_B, place_B, torch.zeros_like(mass_B), mass_B)

    def _shown(self, index_H: Tensor) -> Tensor:
        if not self.training or self.hidden_E is None:
            return torch.ones(len(index_H), device=index_H.device)
        return (~self.hidden_E[index_H]).float()


def _sums(value_H: Tensor, begin_R: Tensor) -> Tensor:
    """Sum each bag, R; 0 for an empty one."""
    place_H = torch.arange(len(value_H), device=value_H.device)
    return pool(value_H[:, None], place_H, begin_R, torch.ones_like(value_H))[:, 0]


def _centre(data: TrainingData) -> tuple[float, float]:
    """Mean and deviation of the values that say like or dislike; (0, 0) where an interaction itself is the like."""
    value_E = data.train.value_E
    if data.task == "ranking" or not len(value_E):
        return 0.0, 0.0
    return float(value_E.mean()), float(max(value_E.std(), 1e-3))
