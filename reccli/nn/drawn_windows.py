"""One window of each training history an epoch, for encoders that read a window once for all rows in it.

U users, E interactions, B rows of a batch, G distinct users of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reccli.api.batch import Batch
from reccli.api.component import Context
from reccli.api.data import Histories

__all__ = ["DrawnWindows", "Windows"]


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows that the rows of a batch lie in.

    Args:
        first_G: Where each window begins among the interactions.
        length_G: Entries of each.
        group_B: Window of each row.
        place_B: Place of each row in its window: how many entries come before it.
    """

    first_G: Tensor
    length_G: Tensor
    group_B: Tensor
    place_B: Tensor


class DrawnWindows(nn.Module):
    """Which entries of each training history are read and trained on in an epoch: all, or a window drawn anew.

    Args:
        train: The training histories.
        context: Decides the windows, by epoch.
        window: Entries of a window at most.
        name: Of the encoder, for its draws.
    """

    offset_U1: Tensor

    def __init__(self, train: Histories, context: Context, *, window: int, name: str) -> None:
        super().__init__()
        self.window, self._context, self._name = window, context, name
        self.register_buffer("offset_U1", torch.from_numpy(train.offset_U1), persistent=False)
        self._first_U: Tensor | None = None

    def begin_epoch(self, epoch: int) -> None:
        """Draw each user's window: a function of seed and epoch alone."""
        offset_U1 = self.offset_U1.cpu()
        spare_U = (offset_U1.diff() - self.window).clamp_min(0)
        drawn_U = torch.rand(len(spare_U), generator=self._context.generator(f"{self._name} windows of {epoch}"))
        self._first_U = (offset_U1[:-1] + (drawn_U * (spare_U + 1)).long()).to(self.offset_U1.device)

    def rows(self) -> Tensor | None:
        """Return the rows in the windows, a bool for each of E; None before the first epoch."""
        if self._first_U is None:
            return None
        row_E = torch.arange(int(self.offset_U1[-1]), device=self.offset_U1.device)
        first_E = torch.repeat_interleave(self._first_U, self.offset_U1.diff())
        return (row_E >= first_E) & (row_E < first_E + self.window)

    def of_batch(self, batch: Batch) -> Windows | None:
        """Return the windows of a batch's rows; None where not all rows lie in them, or none are drawn yet."""
        if self._first_U is None:
            return None
        place_B = batch.row_B - self._first_U[batch.user_B]
        if not bool(((place_B >= 0) & (place_B < self.window)).all()):
            return None
        user_G, group_B = torch.unique(batch.user_B, return_inverse=True)
        first_G = self._first_U[user_G]
        length_G = torch.minimum(first_G + self.window, self.offset_U1[user_G + 1]) - first_G
        return Windows(first_G, length_G, group_B, place_B)
