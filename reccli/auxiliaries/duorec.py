"""DuoRec: a history recognised by another one that led to the same item.

E training rows, B rows of a batch, G users of it, I items, D embedding.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from reccli.api import Auxiliary, Batch, ComponentSettings, Context, Encoder, Range, TrainingData
from reccli.nn.history_views import before_rows, joined
from reccli.nn.view_losses import pair_loss

__all__ = ["DuoRec"]

Int64 = npt.NDArray[np.int64]


class DuoRec(Auxiliary):
    """Tell histories of a batch apart by others that the same item came after, each read with dropout of its own.

    ::

        l = mean over users of  1/2 (l(x', x'') + l(x'', x'))
        l(a, b) = -log( exp(cos(a, b) / t) / (exp(cos(a, b) / t) + sum over views c of others of exp(cos(a, c) / t)) )

    with `x'` what the encoder reads before one of a user's rows in the batch, drawn at random, `x''` what it reads
    before another training row of the same item, drawn at random (before the same row again where there is no other),
    and others those users of the batch whose row has another item.

    Args:
        settings.temperature: `t`, 0.1 to 1.
        settings.window: Entries before a row that are read; all the rest of its history where order does not count.
        settings.users: Most users that are contrasted in a step.

    Shapes:
        two histories a user -> scalar.

    Notes:
        Rows with nothing before them are left out. An encoder without dropout in its users gives equal views where an
        item has one row. Cosines stand for the paper's products.

    Paper:
        Qiu, Huang, Yin, Wang: Contrastive Learning for Representation Degeneration Problem in Sequential
        Recommendation, WSDM 2022, https://arxiv.org/abs/2110.05730, sections on model-level augmentation and supervised
        positive sampling.

    Pairs well with:
        `sasrec`, `recency`, `history`; any loss.

    Example:
        >>> DuoRec.Settings(temperature=0.5).window
        50
    """

    class Settings(ComponentSettings):
        """Settings of `duorec`."""

        temperature: Annotated[float, Range(0.05, 1.0, log=True)] = Field(default=0.2, gt=0)
        """What cosines are divided by: 0.1 to 1."""
        window: int = Field(default=50, ge=1)
        """Entries before a row that are read; all the rest where order does not count."""
        users: int = Field(default=1024, ge=2)
        """Users of a batch that are contrasted in a step; drawn at random where there are more."""

    views: ClassVar[str] = "history"

    def setup(self, data: TrainingData, encoder: Encoder, context: Context) -> None:
        """Order the training rows by item, those that have something before them (or beside them)."""
        train = data.train
        self.histories, self.draws = train, context.numpy_generator("duorec rows")
        length_E = np.repeat(train.length_U, train.length_U)
        place_E = np.arange(len(train)) - train.offset_U1[train.user_E]
        self.usable_E = place_E > 0 if encoder.reads_order else length_E > 1
        row_X = np.flatnonzero(self.usable_E)
        self.row_X = row_X[np.argsort(train.item_E[row_X], kind="stable")]
        self.rank_E = np.zeros(len(train), np.int64)  # place among the rows by item
        self.rank_E[self.row_X] = np.arange(len(self.row_X))
        self.begin_I1 = np.searchsorted(train.item_E[self.row_X], np.arange(train.n_items + 1))

    def compute(self, encoder: Encoder, batch: Batch) -> Tensor:
        """Return the mean over the batch's users; 0 where none of them has a history."""
        row_G = self._rows(batch)
        if not len(row_G):
            return torch.zeros((), device=batch.row_B.device)
        item_G = torch.from_numpy(self.histories.item_E[row_G]).to(batch.row_B.device)
        pair = [
            before_rows(self.histories, rows, ordered=encoder.reads_order, most=self.settings.window)
            for rows in (row_G, self._partners(row_G))
        ]
        first_GD, second_GD = torch.chunk(encoder.read(joined(*pair)), 2)
        return pair_loss(first_GD, second_GD, self.settings.temperature, item_G[:, None] == item_G).mean()

    def _rows(self, batch: Batch) -> Int64:
        """Return one row of each user, or of some, G."""
        row_X: Int64 = self.draws.permutation(np.unique(batch.row_B.cpu().numpy()))
        row_X = row_X[self.usable_E[row_X]]
        user_X = np.searchsorted(self.histories.offset_U1, row_X, side="right") - 1
        _, first_G = np.unique(user_X, return_index=True)
        return row_X[np.sort(first_G)[: self.settings.users]]

    def _partners(self, row_G: Int64) -> Int64:
        """Return another row of each row's item, itself where there is none, G."""
        item_G = self.histories.item_E[row_G]
        begin_G = self.begin_I1[item_G]
        others_G = self.begin_I1[item_G + 1] - begin_G - 1
        drawn_G = begin_G + np.floor(self.draws.random(len(row_G)) * others_G).astype(np.int64)
        drawn_G = drawn_G + ((drawn_G >= self.rank_E[row_G]) & (others_G > 0))  # the row itself is stepped over
        partner_G: Int64 = self.row_X[drawn_G]
        return partner_G
