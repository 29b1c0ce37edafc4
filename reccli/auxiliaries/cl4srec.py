"""CL4SRec: a user recognised in two changed histories. B rows of a batch, G distinct users of it, D embedding."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from reccli.api import Auxiliary, Batch, ComponentSettings, Context, Encoder, Range, TrainingData
from reccli.nn.history_views import CROP, MASK, REORDER, augmented, joined, newest, same_items
from reccli.nn.view_losses import pair_loss

__all__ = ["CL4SRec"]

WAYS = {"crop": CROP, "mask": MASK, "reorder": REORDER}


class CL4SRec(Auxiliary):
    """Tell a batch's users apart by two views of each one's history, changed at random.

    ::

        l = mean over users of  1/2 (l(x', x'') + l(x'', x'))
        l(a, b) = -log( exp(cos(a, b) / t) / (exp(cos(a, b) / t) + sum over views c of others of exp(cos(a, c) / t)) )

    with `x'` and `x''` what the encoder reads in the history after a change each, drawn from `ways`: a piece of it
    alone (`crop`), some entries hidden (`mask`), or a piece of it shuffled (`reorder`).

    Args:
        settings.temperature: `t`, 0.1 to 1.
        settings.ways: Which changes are drawn from.
        settings.crop: Share of a history that a piece keeps, 0.3 to 0.9.
        settings.mask: Share of entries that is hidden, 0.1 to 0.5.
        settings.reorder: Share of a history that is shuffled, 0.2 to 0.8.
        settings.window: Newest entries of a history that views are made of; all where order does not count.
        settings.users: Most users that are contrasted in a step.

    Shapes:
        two histories a user -> scalar.

    Notes:
        What is hidden has no vector of its own, as in the paper, but none: its place stays empty. Where order does not
        count there is nothing to reorder, entries come in random order before a piece is cut, and only the other ways
        are drawn. Cosines stand for the paper's products, with a temperature. The encoder's own dropout acts in both
        views. Users of whom two views show the same items are not each other's negatives.

    Paper:
        Xie, Sun, Liu, Wu, Gao, Zhang, Ding, Cui: Contrastive Learning for Sequential Recommendation, ICDE 2022,
        https://arxiv.org/abs/2010.14395, section III.

    Pairs well with:
        `sasrec`, `recency`, `history`; any loss.

    Example:
        >>> CL4SRec.Settings(ways=("crop", "mask")).crop
        0.6
    """

    class Settings(ComponentSettings):
        """Settings of `cl4srec`."""

        temperature: Annotated[float, Range(0.05, 1.0, log=True)] = Field(default=0.2, gt=0)
        """What cosines are divided by: 0.1 to 1."""
        ways: tuple[Literal["crop", "mask", "reorder"], ...] = Field(default=("crop", "mask", "reorder"), min_length=1)
        """Changes of a history; each view has one of them, drawn at random."""
        crop: float = Field(default=0.6, gt=0, le=1)
        """Share of a history that `crop` keeps."""
        mask: float = Field(default=0.3, gt=0, le=1)
        """Share of entries that `mask` hides."""
        reorder: float = Field(default=0.6, gt=0, le=1)
        """Share of a history that `reorder` shuffles."""
        window: int = Field(default=50, ge=1)
        """Newest entries of a history that views are made of; all where order does not count."""
        users: int = Field(default=1024, ge=2)
        """Users of a batch that are contrasted in a step; drawn at random where there are more."""

    views: ClassVar[str] = "history"

    def setup(self, data: TrainingData, encoder: Encoder, context: Context) -> None:
        """Keep the histories at hand."""
        self.histories, self.draws = data.train, context.numpy_generator("cl4srec views")
        names = self.settings.ways if encoder.reads_order else [way for way in self.settings.ways if way != "reorder"]
        self.ways = np.array([WAYS[name] for name in names or ("crop",)], np.int64)

    def compute(self, encoder: Encoder, batch: Batch) -> Tensor:
        """Return the mean over the batch's users."""
        user_G = np.unique(batch.user_B.cpu().numpy())
        if len(user_G) > self.settings.users:
            user_G = self.draws.permutation(user_G)[: self.settings.users]
        known = self.histories.rows(user_G)
        if encoder.reads_order:
            known = newest(known, self.settings.window)
        shares = (self.settings.crop, self.settings.mask, self.settings.reorder)
        views = []
        for _ in range(2):
            whole = known
            if not encoder.reads_order:
                whole = augmented(known, np.full(len(user_G), REORDER), (1.0, 1.0, 1.0), self.draws)
            way_G = self.ways[self.draws.integers(0, len(self.ways), len(user_G))]
            views.append(augmented(whole, way_G, shares, self.draws))
        first_GD, second_GD = torch.chunk(encoder.read(joined(*views)), 2)
        same_GG = np.any([same_items(one, other) for one in views for other in views], axis=0)
        same_GG = torch.from_numpy(same_GG).to(first_GD.device)
        return pair_loss(first_GD, second_GD, self.settings.temperature, same_GG).mean()
