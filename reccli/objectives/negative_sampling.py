"""Skip-gram pre-training of vectors of items and users: observed pairs against sampled ones.

U users, I items, E interactions, R rows to train on, H held-out ones, B rows of a batch, N negatives of a row,
D embedding.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from reccli.api import ComponentSettings, Context, Histories, LossOutput, Objective, Pretrained, TrainingData
from reccli.errors import DataError
from reccli.nn.contexts import draw_context, turned
from reccli.nn.held_out import hold_out
from reccli.nn.known import KnownPositives
from reccli.nn.tables import look_up, random_table

__all__ = ["NegativeSampling", "skip_gram_loss"]

HELD_SHARE = 0.05
MOST_HELD = 5000


class NegativeSampling(Objective):
    """Tell items that a user has met together from items drawn at random.

    ::

        l_b = s(v_i, j, N) + s(p_u, j, N)
        s(x, j, N) = -log sigma(x . c_j) - sum over n in N of log sigma(-x . c_n)

    with `i` the row's item, `j` another item of the same user (a context), `v` and `p` the vectors of items and users
    as centres, `c` those of items as contexts, and `N` items drawn in proportion to their interactions to the power
    `power`. Drawn items that the user has met are left out. `c` and `p` are handed on.

    Args:
        settings.dim: Length of the vectors; 32 to 256.
        settings.window: How far a context may be from the item in the user's history; 0 for anywhere.
        settings.negatives: Drawn items of a row; 5 to 20.
        settings.power: Power of the interactions in the draw; 0.5 to 1 (0 for all alike).

    Shapes:
        row numbers B -> value_B; item feature `negative_sampling` ID, user feature `negative_sampling_users` UD.

    Raises:
        DataError: No user has two items.

    Notes:
        A twentieth of the interactions is kept out, and its loss chooses the epoch. Items and users without any get
        zeros. The vectors are turned so that leading columns hold most: an encoder that is narrower takes the first.

    Paper:
        Mikolov, Sutskever, Chen, Corrado, Dean: Distributed Representations of Words and Phrases and their
        Compositionality, NIPS 2013, https://arxiv.org/abs/1310.4546, equation 4. Barkan, Koenigstein: Item2Vec, 2016,
        https://arxiv.org/abs/1603.04259. Users as centres: Le, Mikolov: Distributed Representations of Sentences and
        Documents, ICML 2014, https://arxiv.org/abs/1405.4053, section 2.3.

    Pairs well with:
        The encoders `mf`, `lightgcn` and `history`, which start from it.

    Example:
        >>> NegativeSampling.Settings(dim=32).negatives
        5
    """

    class Settings(ComponentSettings):
        """Settings of `negative-sampling`."""

        dim: int = Field(default=128, ge=1)
        """Length of the vectors: 32 to 256."""
        window: int = Field(default=0, ge=0)
        """How far a context may be from the item in the user's history; 0 for anywhere."""
        negatives: int = Field(default=5, ge=1)
        """Drawn items of a row: 5 to 20."""
        power: float = Field(default=0.75, ge=0, le=1)
        """Power of an item's interactions in the draw: 0.5 to 1."""
        std: float = Field(default=0.05, gt=0)
        """Typical entry at the start."""

    row_R: Tensor
    item_E: Tensor
    user_E: Tensor
    offset_U1: Tensor
    cumulative_I: Tensor
    user_UD: nn.Parameter
    item_ID: nn.Parameter
    context_ID: nn.Parameter

    needs: ClassVar[frozenset[str]] = frozenset({"graph"})
    defaults: ClassVar[dict[str, object]] = {"epochs": 20, "batch_size": 4096, "learning_rate": 5e-3}

    def setup(self, data: TrainingData, context: Context) -> None:
        """Build the tables, and keep some interactions out."""
        choice = self.settings
        kept, held = hold_out(data, HELD_SHARE, context.numpy_generator("negative-sampling held out"))
        if not (kept.length_U > 1).any():
            raise DataError("negative-sampling: no user has two items in the train part", hint="--objective spectral")
        generator = context.generator("negative-sampling tables")
        for name, rows in (("user_UD", data.n_users), ("item_ID", data.n_items), ("context_ID", data.n_items)):
            setattr(self, name, random_table(rows, choice.dim, std=choice.std, generator=generator))
        count_I = np.bincount(kept.item_E, minlength=data.n_items)
        chance_I = torch.from_numpy(count_I.astype(np.float64)) ** choice.power * torch.from_numpy(count_I > 0)
        self.register_buffer("cumulative_I", (chance_I / chance_I.sum()).cumsum(0), persistent=False)
        self.known = KnownPositives(data.train)
        for name, array in (("offset_U1", kept.offset_U1), ("item_E", kept.item_E), ("user_E", kept.user_E)):
            self.register_buffer(name, torch.from_numpy(array), persistent=False)
        row_R = torch.from_numpy(np.flatnonzero(np.repeat(kept.length_U > 1, kept.length_U)))
        self.register_buffer("row_R", row_R, persistent=False)
        self.held = self._held(held, context)
        self.draws = context.generator("negative-sampling draws")
        self.context, self.met_U, self.met_I = context, torch.from_numpy(kept.length_U > 0), chance_I > 0
        context.say(f"negative-sampling: {len(self.row_R):,} interactions, {len(self.held):,} held out")

    def _held(self, held: Histories, context: Context) -> Tensor:
        """Return some of the held-out interactions, H2: user and item."""
        pair_H2 = torch.from_numpy(np.stack([held.user_E, held.item_E], 1))
        order_H = context.numpy_generator("negative-sampling held-out rows").permutation(len(pair_H2))
        return pair_H2[np.sort(order_H[:MOST_HELD])]

    @property
    def n_rows(self) -> int:
        """Interactions of users with two and more."""
        return len(self.row_R)

    def loss(self, row_B: Tensor) -> LossOutput:
        """Return each interaction's loss with a context and negatives drawn for it."""
        place_B = self.row_R[row_B.to(self.row_R.device)]
        user_B = self.user_E[place_B]
        other_B = draw_context(place_B, self.offset_U1, user_B, self.settings.window, self.draws)
        return LossOutput(self._loss(user_B, self.item_E[place_B], self.item_E[other_B], self.draws))

    def _loss(self, user_B: Tensor, item_B: Tensor, context_B: Tensor, generator: torch.Generator) -> Tensor:
        size = (len(user_B), self.settings.negatives)
        random_BN = torch.rand(size, generator=generator, dtype=torch.float64).to(self.cumulative_I.device)
        negative_BN = torch.searchsorted(self.cumulative_I, random_BN).clamp_max(len(self.cumulative_I) - 1)
        known_BN = self.known.own(user_B, negative_BN)
        positive_BD = look_up(self.context_ID, context_B)
        negative_BND = look_up(self.context_ID, negative_BN)
        return sum(
            (
                skip_gram_loss(look_up(table, code_B), positive_BD, negative_BND, known_BN)
                for table, code_B in ((self.item_ID, item_B), (self.user_UD, user_B))
            ),
            start=positive_BD.new_zeros(len(user_B)),
        )

    def held_out(self) -> dict[str, float]:
        """Return the loss of interactions that were kept out, as contexts of a known item of their user."""
        if not len(self.held):
            return {}
        generator = self.context.generator("negative-sampling held-out draws")
        user_H, item_H = self.held.to(self.item_E.device).unbind(1)
        length_H = self.offset_U1[user_H + 1] - self.offset_U1[user_H]
        random_H = torch.rand(len(user_H), generator=generator, dtype=torch.float64).to(user_H.device)
        known_H = self.item_E[self.offset_U1[user_H] + (random_H * length_H).long()]
        with torch.no_grad():
            return {"held_out_loss": float(self._loss(user_H, known_H, item_H, generator).mean())}

    def finish(self) -> Pretrained:
        """Return the vectors of users as centres and of items as contexts; zeros for those without interactions."""
        user_UD, item_ID = self.user_UD.detach().cpu(), self.context_ID.detach().cpu()
        user_UD, item_ID = turned(user_UD * self.met_U[:, None], item_ID * self.met_I[:, None])
        return Pretrained(
            item_features={"negative_sampling": item_ID.numpy()},
            user_features={"negative_sampling_users": user_UD.numpy()},
            weights={"centre_ID": self.item_ID.detach()},
        )


def skip_gram_loss(centre_BD: Tensor, positive_BD: Tensor, negative_BND: Tensor, known_BN: Tensor) -> Tensor:
    """Return the logistic loss of one positive and of the negatives that are not known positives, B."""
    positive_B = (centre_BD * positive_BD).sum(1)
    negative_BN = torch.einsum("bd,bnd->bn", centre_BD, negative_BND)
    against_BN = functional.softplus(negative_BN).masked_fill(known_BN, 0.0)
    return functional.softplus(-positive_B) + against_BN.sum(1)
