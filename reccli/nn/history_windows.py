"""Windows of histories that are read once each, for all of their rows at once.

U users, E interactions, B rows of a batch, R sequences, L longest of them, P rows that read a piece's sequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from reccli.api.batch import Batch
from reccli.api.component import Context
from reccli.api.data import Histories, TrainingData
from reccli.nn.drawn_windows import DrawnWindows
from reccli.nn.item_sequences import Sequences
from reccli.nn.pooling import ragged

__all__ = ["HistoryWindows", "Piece"]

SHORTEST = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """Sequences of about one length, and the rows that look at them.

    Args:
        item_RL: Item codes, oldest first, padded on the right.
        value_RL: Ratings or labels in standard deviations from the mean of training; zeros where none are predicted.
        place_P: Sequence of each row.
        step_P: Entries of its sequence that a row may see, 0 to L.
        row_P: Row of the batch.
        shown_RL: False where an entry is hidden and only its place is there; None where none is.
    """

    item_RL: Tensor
    value_RL: Tensor
    place_P: Tensor
    step_P: Tensor
    row_P: Tensor
    shown_RL: Tensor | None = None


class HistoryWindows(nn.Module):
    """The training histories, a window of each drawn in every epoch, whose rows are trained on together.

    A model that reads from left to right knows after one pass over a window what each of its rows may know, so training
    on all rows costs one pass for each user. Sequences come in pieces of about one length: padded to less than twice
    the longest, where a whole batch would be padded to its longest history.

    Args:
        data: Training data.
        context: Decides the windows, by epoch.
        window: Entries read.
        name: Of the encoder, for its draws.
    """

    offset_U1: Tensor
    item_E: Tensor
    value_E: Tensor

    def __init__(self, data: TrainingData, context: Context, *, window: int, name: str) -> None:
        super().__init__()
        train, self.rated = data.train, data.task != "ranking" and len(data.train) > 0
        mean, deviation = (train.value_E.mean(), train.value_E.std()) if self.rated else (0.0, 1.0)
        self._mean, self._deviation = float(mean), max(float(deviation), 1e-3)
        self.window = window
        self.register_buffer("offset_U1", torch.from_numpy(train.offset_U1), persistent=False)
        self.register_buffer("item_E", torch.from_numpy(train.item_E), persistent=False)
        self.register_buffer("value_E", self._values(train), persistent=False)
        self.drawn = DrawnWindows(train, context, window=window, name=name)

    def begin_epoch(self, epoch: int) -> None:
        """Draw each user's window: a function of seed and epoch alone."""
        self.drawn.begin_epoch(epoch)

    def rows_of_epoch(self) -> Tensor | None:
        """Return the rows in the windows, a bool for each of E; None before the first epoch."""
        return self.drawn.rows()

    def of_batch(self, batch: Batch) -> Iterator[Piece]:
        """Yield what the rows of a batch read: in training the windows of their users, else each row its own past."""
        found = self.drawn.of_batch(batch) if self.training else None
        if found is not None:
            first_G, length_G = found.first_G, found.length_G
            return self._pieces(self.item_E, self.value_E, first_G, length_G, found.group_B, found.place_B)
        first_B = self.offset_U1[batch.user_B].maximum(batch.row_B - self.window)
        length_B, place_B = batch.row_B - first_B, torch.arange(len(batch), device=first_B.device)
        return self._pieces(self.item_E, self.value_E, first_B, length_B, place_B, length_B)

    def of_users(self, histories: Histories, *, hiding: bool = False) -> Iterator[Piece]:
        """Yield the newest entries of whole histories, one row a user.

        Args:
            histories: Any users'.
            hiding: Whether entries of weight 0 are hidden.
        """
        device = self.item_E.device
        offset_U1, item_H = (
            torch.from_numpy(histories.offset_U1).to(device),
            torch.from_numpy(histories.item_E).to(device),
        )
        first_U = offset_U1[:-1].maximum(offset_U1[1:] - self.window)
        length_U = offset_U1[1:] - first_U
        row_U, value_H = torch.arange(len(length_U), device=device), self._values(histories).to(device)
        shown_H = torch.from_numpy(histories.weight_E != 0).to(device) if hiding else None
        return self._pieces(item_H, value_H, first_U, length_U, row_U, length_U, shown_H)

    def _pieces(
        self,
        item_H: Tensor,
        value_H: Tensor,
        first_R: Tensor,
        length_R: Tensor,
        place_B: Tensor,
        step_B: Tensor,
        shown_H: Tensor | None = None,
    ) -> Iterator[Piece]:
        if not len(item_H):
            item_H, value_H, shown_H = item_H.new_zeros(1), value_H.new_zeros(1), None
        index_H, _ = ragged(first_R, length_R)
        row_H = torch.repeat_interleave(torch.arange(len(first_R), device=first_R.device), length_R)
        index_RL = Sequences(index_H, row_H, len(first_R), self.window, spread=False).index_RL
        size_R = length_R.clamp_min(SHORTEST).double().log2().ceil().long()
        for size in torch.unique(size_R):
            chosen_S = (size_R == size).nonzero().squeeze(1)
            number_R = torch.zeros_like(size_R)
            number_R[chosen_S] = torch.arange(len(chosen_S), device=chosen_S.device)
            row_P = (size_R[place_B] == size).nonzero().squeeze(1)
            width = int(length_R[chosen_S].max())
            index_SL = index_RL[chosen_S, :width]
            shown_SL = None if shown_H is None else shown_H[index_SL]
            yield Piece(item_H[index_SL], value_H[index_SL], number_R[place_B[row_P]], step_B[row_P], row_P, shown_SL)

    def _values(self, histories: Histories) -> Tensor:
        if not self.rated:
            return torch.zeros(len(histories))
        return torch.from_numpy(((histories.value_E - self._mean) / self._deviation).astype(np.float32))
