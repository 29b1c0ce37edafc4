"""Contrastive pre-training of id vectors on two views of the interaction graph.

U users, I items, V vertices (U + I), B rows of a batch, G distinct vertices of one kind in it, D embedding.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from reccli.api import ComponentSettings, Context, Histories, LossOutput, Objective, Pretrained, TrainingData, Walk
from reccli.errors import DataError
from reccli.nn.contexts import turned
from reccli.nn.graph_views import drift, thinned
from reccli.nn.held_out import hold_out
from reccli.nn.propagation import Propagation
from reccli.nn.tables import random_table, spectral_start, table_from
from reccli.nn.view_losses import view_loss

__all__ = ["GraphViews"]

HELD_SHARE = 0.05
MOST_HELD = 5000
FEWEST = 2


class GraphViews(Objective):
    """Recognise users and items by a second view of the graph that they are propagated over.

    ::

        l_b = w (s(u) + s(i)) - log sigma((cos(u, i) - cos(u, j)) / t)

        s(x) = -log( exp(cos(x', x'') / t) / sum_y exp(cos(x', y'') / t) )

    with `u` and `i` the propagated vectors of the row's user and item, `j` an item drawn at random, `x'` and `x''` a
    vertex in two views, `y` the users (or items) of the batch, and `w` the weight of the views. A view lacks a random
    share of the edges, drawn anew each epoch (`edges`), or has noise of one length with the signs of the vector added
    after each layer (`noise`).

    Args:
        settings.dim: Length of the vectors; 32 to 256.
        settings.layers: How often vectors are propagated; 1 to 3.
        settings.view: `edges` or `noise`.
        settings.drop: Share of edges that a view lacks; 0.1 to 0.5.
        settings.noise: Length of the noise; 0.05 to 0.2.
        settings.temperature: What cosines are divided by; 0.1 to 0.5.
        settings.views: Weight of the two views; 0.05 to 1.

    Shapes:
        row numbers B -> value_B; item feature `graph_views` ID, user feature `graph_views_users` UD, both propagated.

    Raises:
        DataError: There are fewer than two interactions.

    Notes:
        The views alone push alike users apart, so the edges are predicted beside them, as in the paper's joint loss. A
        twentieth of the interactions is kept out of the graph; how well cosines tell these from random pairs chooses
        the epoch. Items and users without interactions get zeros. Leading columns hold most of the vectors.

    Paper:
        Wu et al.: Self-supervised Graph Learning for Recommendation, SIGIR 2021, https://arxiv.org/abs/2010.10783,
        equations 6, 10 and 11 (edge dropout). Yu et al.: Are Graph Augmentations Necessary?, SIGIR 2022,
        https://arxiv.org/abs/2112.08679, equation 7 (noise).

    Pairs well with:
        The encoders `mf`, `lightgcn` and `history`, which start from it.

    Example:
        >>> GraphViews.Settings(view="noise").temperature
        0.2
    """

    class Settings(ComponentSettings):
        """Settings of `graph-views`."""

        dim: int = Field(default=128, ge=1)
        """Length of the vectors: 32 to 256."""
        layers: int = Field(default=2, ge=1, le=8)
        """How often vectors are propagated: 1 to 3."""
        view: Literal["edges", "noise"] = "edges"
        """What tells the two views apart: missing edges, or noise on the vectors."""
        drop: float = Field(default=0.2, gt=0, lt=1)
        """Share of edges that a view lacks: 0.1 to 0.5."""
        noise: float = Field(default=0.1, gt=0)
        """Length of the noise after each layer: 0.05 to 0.2."""
        temperature: float = Field(default=0.2, gt=0)
        """What cosines are divided by: 0.1 to 0.5."""
        views: float = Field(default=0.1, gt=0)
        """Weight of the two views beside the edges: 0.05 to 1."""
        start: Literal["spectrum", "random"] = "spectrum"
        """What the tables start from."""
        std: float = Field(default=0.1, gt=0)
        """Typical entry at the start."""

    needs: ClassVar[frozenset[str]] = frozenset({"graph"})
    defaults: ClassVar[dict[str, object]] = {"epochs": 10, "batch_size": 4096, "learning_rate": 3e-4}
    user_UD: nn.Parameter
    item_ID: nn.Parameter
    user_E: Tensor
    item_E: Tensor

    def setup(self, data: TrainingData, context: Context) -> None:
        """Build the tables and the graph, and keep some interactions out."""
        if len(data.train) < FEWEST:
            raise DataError("graph-views: there are fewer than two interactions", hint="reccli prepare, other filters")
        choice, self.context = self.settings, context
        self.kept, held = hold_out(data, HELD_SHARE, context.numpy_generator("graph-views held out"))
        generator = context.generator("graph-views tables")
        if choice.start == "random":
            self.user_UD = random_table(data.n_users, choice.dim, std=choice.std, generator=generator)
            self.item_ID = random_table(data.n_items, choice.dim, std=choice.std, generator=generator)
        else:
            user_UR, item_IR = spectral_start(TrainingData(self.kept), context, choice.dim)
            self.user_UD = table_from(user_UR, choice.dim, std=choice.std, generator=generator)
            self.item_ID = table_from(item_IR, choice.dim, std=choice.std, generator=generator)
        for name, array in (("user_E", self.kept.user_E), ("item_E", self.kept.item_E)):
            self.register_buffer(name, torch.from_numpy(array), persistent=False)
        self.whole = Propagation(self.kept, choice.layers)
        self.views = [self.whole, self.whole]
        self.draws = context.generator("graph-views noise")
        self.held = self._held(held)
        if choice.view == "edges":
            self.begin_epoch(0)
        context.say(f"graph-views: {len(self.kept):,} edges, {len(self.held):,} held out, views by {choice.view}")

    def _held(self, held: Histories) -> Tensor:
        """Return some of the held-out interactions with a random other item, H3: user, item, other."""
        generator = self.context.numpy_generator("graph-views held-out pairs")
        row_H = np.sort(generator.permutation(len(held))[:MOST_HELD])
        other_H = generator.integers(0, held.n_items, len(row_H))
        return torch.from_numpy(np.stack([held.user_E[row_H], held.item_E[row_H], other_H], 1))

    @property
    def n_rows(self) -> int:
        """Interactions."""
        return len(self.kept)

    def begin_epoch(self, epoch: int) -> None:
        """Draw the two thinned graphs."""
        if self.settings.view == "edges":
            generator = self.context.numpy_generator(f"graph-views edges of epoch {epoch}")
            self.views = [
                Propagation(thinned(self.kept, self.settings.drop, generator), self.settings.layers) for _ in range(2)
            ]

    def loss(self, row_B: Tensor) -> LossOutput:
        """Return each interaction's loss: its user among users, its item among items, and the two together."""
        row_B = row_B.to(self.user_E.device)
        user_B, item_B = self.user_E[row_B], self.item_E[row_B]
        other_B = torch.randint(len(self.item_ID), (len(row_B),), generator=self.draws).to(row_B.device)
        walk = self._walk()
        value_B = self._edge_loss(walk, user_B, item_B, other_B)
        first_VD, second_VD = (self._view(number, walk) for number in range(2))
        for vertex_B in (user_B, walk.n_users + item_B):
            code_G, place_B = torch.unique(vertex_B, return_inverse=True)
            apart_G = view_loss(first_VD[code_G], second_VD[code_G], self.settings.temperature)
            value_B = value_B + self.settings.views * apart_G[place_B]
        return LossOutput(value_B)

    def _walk(self) -> Walk:
        return self.whole.walk(self.user_UD, self.item_ID)

    def _edge_loss(self, walk: Walk, user_B: Tensor, item_B: Tensor, other_B: Tensor) -> Tensor:
        """Return the loss of telling interactions from random pairs over the whole graph, B."""
        unit_VD = functional.normalize(walk.mean_VD, dim=1)
        gap_BD = unit_VD[walk.n_users + item_B] - unit_VD[walk.n_users + other_B]
        return functional.softplus(-(unit_VD[user_B] * gap_BD).sum(1) / self.settings.temperature)

    def _view(self, number: int, walk: Walk) -> Tensor:
        if self.settings.view == "edges":
            return self.views[number].walk(self.user_UD, self.item_ID).mean_VD
        return walk.mean_VD + drift(walk, self.settings.noise, self.draws)

    def held_out(self) -> dict[str, float]:
        """Return the loss of telling interactions that were kept out from random pairs."""
        if not len(self.held):
            return {}
        with torch.no_grad():
            return {
                "held_out_loss": float(
                    self._edge_loss(self._walk(), *self.held.to(self.user_E.device).unbind(1)).mean()
                )
            }

    def finish(self) -> Pretrained:
        """Return the propagated vectors; zeros for those without interactions."""
        with torch.no_grad():
            user_UD, item_ID = (table.cpu() for table in self.whole(self.user_UD, self.item_ID))
        met_U = torch.from_numpy(self.kept.length_U > 0)
        met_I = torch.from_numpy(np.bincount(self.kept.item_E, minlength=self.kept.n_items) > 0)
        user_UD, item_ID = turned(user_UD * met_U[:, None], item_ID * met_I[:, None])
        return Pretrained(
            item_features={"graph_views": item_ID.numpy()}, user_features={"graph_views_users": user_UD.numpy()}
        )
