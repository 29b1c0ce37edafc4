"""Item vectors by id, graph and text, weighed by a learned gate. N items asked for, I items, D embedding, K parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from reccli.api.component import ComponentSettings, Context
from reccli.api.data import TrainingData
from reccli.api.search import Choices, Range
from reccli.api.walk import Walk
from reccli.nn.gate import Gate
from reccli.nn.item_graph import ItemGraph
from reccli.nn.sentence_words import SentenceWords
from reccli.nn.tables import item_table, look_up
from reccli.nn.text_projection import TextProjection

__all__ = ["GatedItems", "GatedItemsSettings"]

ID, GRAPH, TEXT = 0, 1, 2


class GatedItemsSettings(ComponentSettings):
    """Settings of items that are made of several parts."""

    dim: Annotated[int, Choices((64, 128, 256, 512))] = Field(default=256, ge=1)
    """Length of the trained vectors: 64 to 512."""
    drop: Annotated[float, Range(0.0, 0.5)] = Field(default=0.2, ge=0, lt=1)
    """Share of items whose ids are dropped in an epoch: 0.1 to 0.5; 0 for none."""
    doubt: float = Field(default=0.8, ge=0, le=1)
    """How far items that nobody met stand back: 1 as far as texts are unsure (few are listed), 0 not at all."""
    layers: Literal[0, 2] = 2
    """Steps over the graph; 0 for none."""
    start: Literal["auto", "spectrum", "random"] = "auto"
    """What the table starts from; `auto` is the spectrum, and random for ratings and labels."""
    std: float = Field(default=0.1, gt=0)
    """Typical entry at the start."""


class GatedItems(nn.Module):
    """A weighted sum of the parts that an item has, weights by a gate (`reccli.nn.gate`).

    ::

        item_i = g_i1 a_i + g_i2 (A a)_i + g_i3 P t_i            seen_i = (g_i1 + g_i2) a_i + g_i3 P t_i

    with `a` a trained table (`item_ID`), `A` the mean of no step and two steps over the graph of interactions, `t` the
    texts and `P` their projection. What histories see of items leaves the graph out, as it knows the very row that is
    to be predicted. Items that nobody met, and those whose ids are dropped, have their text alone.

    Args:
        data: Training data.
        context: Draws what the table starts from and which ids are dropped.
        given: Settings.
        texts: The items' texts; None for ids and graph alone.
        gate_K: What the gate starts from.
        name: Of the encoder, for its draws.

    Shapes:
        codes N -> ND.
    """

    has_IK: Tensor
    count_I1: Tensor

    def __init__(
        self,
        data: TrainingData,
        context: Context,
        given: GatedItemsSettings,
        texts: SentenceWords | None,
        gate_K: Sequence[float],
        *,
        name: str,
    ) -> None:
        super().__init__()
        self.drop, self.texts, self.name, self._context = given.drop, texts, name, context
        self.disturb: Callable[[Tensor], Tensor] | None = None
        self.graph = ItemGraph(data.train, given.layers // 2)
        count_I, known_I = torch.from_numpy(data.item_count_I()).float(), torch.from_numpy(data.item_count_I() > 0)
        told = [texts is not None and bool(text.strip()) for text in data.item_text_I or [""] * data.n_items]
        has_IK = torch.stack([known_I, known_I & bool(given.layers), torch.tensor(told)], dim=1)
        self.register_buffer("has_IK", has_IK, persistent=False)
        self.register_buffer("count_I1", count_I.log1p()[:, None] / 5.0, persistent=False)
        self.item_ID = item_table(data, context, given.dim, start=given.start, std=given.std, name=name)
        size = 0 if texts is None else texts.size
        self.projection = TextProjection(size, given.dim, doubt=given.doubt)
        if given.start == "random":  # a regression of noise tells nothing
            nn.init.normal_(self.projection.beside_TD, std=given.std, generator=context.generator(f"{name} projection"))
        else:
            self.projection.start(self._texts(self.told_W()), self.item_ID[self.told_W()])
        self.gate = Gate(gate_K, size + 1)
        self._dropped_I: Tensor | None = None
        self._step: tuple[Tensor, Walk] | None = None

    def begin_epoch(self, epoch: int) -> None:
        """Draw which ids are dropped: a function of seed and epoch alone."""
        self._dropped_I = None
        self.fit()
        generator = self._context.generator(f"{self.name} ids dropped in epoch {epoch}")
        drawn_I = torch.rand(len(self.item_ID), generator=generator)
        self._dropped_I = (drawn_I < self.drop).to(self.item_ID.device)

    def begin_step(self) -> None:
        """Weigh the parts of all items, and walk the graph once."""
        if not self.training:
            return self.fit()
        self._step = self.weights(), self._walk()

    @torch.no_grad()
    def fit(self) -> None:
        """Fit what stands for ids to the vectors as they are now."""
        self._step = self.weights(), self._walk()
        if self.texts is not None:
            self.projection.fit(self.texts(self.told_W()), self(self.told_W()))

    def told_W(self) -> Tensor:
        """Return the items that have an id and a text."""
        return (self.has_IK[:, ID] & self.has_IK[:, TEXT]).nonzero()[:, 0]

    def forward(self, item_N: Tensor) -> Tensor:
        """Return the weighted sum of the parts of items, ND."""
        weight_IK, walk = self.now()
        weight_NK = weight_IK[item_N]
        own_ND = weight_NK[:, ID, None] * look_up(self.item_ID, item_N)
        return own_ND + weight_NK[:, GRAPH, None] * walk.mean_VD[item_N] + self._told(item_N, weight_NK)

    def seen(self, item_N: Tensor) -> Tensor:
        """Return what histories see of items, ND."""
        weight_NK = self.now()[0][item_N]
        own_ND = (weight_NK[:, ID] + weight_NK[:, GRAPH])[:, None] * look_up(self.item_ID, item_N)
        return own_ND + self._told(item_N, weight_NK)

    def placed(self, item_N: Tensor) -> Tensor:
        """Return vectors with one number more, by which items without an id stand back, N(D+1)."""
        return self.projection.doubted(self(item_N), self.now()[0][item_N, ID] > 0)

    def by_text(self, text_NT: Tensor) -> Tensor:
        """Return vectors of what is given by its text alone, ND."""
        self.fit()
        return text_NT @ self.projection.instead_TD

    def placed_by_text(self, text_NT: Tensor) -> Tensor:
        """Return vectors of items given by text alone, as `placed`, N(D+1)."""
        nobody_N = torch.zeros(len(text_NT), dtype=torch.bool, device=text_NT.device)
        return self.projection.doubted(self.by_text(text_NT), nobody_N)

    def walk(self, step: Callable[[Tensor], Tensor] | None = None) -> Walk:
        """Return the table and what steps over the graph make of it, this step's own walk without another graph."""
        own = self.training and step is None
        return self.now()[1] if own else self.graph.walk(self.item_ID, step=step)

    def weights(self) -> Tensor:
        """Return the gate of all items, IK; dropped ids count as not there, where there is a text."""
        has_IK = self.has_IK
        if self.training and self._dropped_I is not None:
            gone_I1 = (self._dropped_I & has_IK[:, TEXT])[:, None]
            has_IK = has_IK & ~(gone_I1 & torch.tensor([True, True, False], device=has_IK.device))
        seen = [self.count_I1] if self.texts is None else [self.texts.all_items(), self.count_I1]
        weight_IK: Tensor = self.gate(torch.cat(seen, dim=1), has_IK)
        return weight_IK

    def now(self) -> tuple[Tensor, Walk]:
        """Return the gate and the walk of this step."""
        return self._step if self._step is not None else (self.weights(), self._walk())

    def _texts(self, item_N: Tensor) -> Tensor:
        """Return texts of items, NT; of no numbers where none are read."""
        return self.item_ID.new_zeros(len(item_N), 0) if self.texts is None else self.texts(item_N)

    def _told(self, item_N: Tensor, weight_NK: Tensor) -> Tensor:
        """Return what texts add to vectors, ND."""
        told_ND: Tensor = self.projection(self._texts(item_N), weight_NK[:, ID] > 0)
        return weight_NK[:, TEXT, None] * told_ND

    def _walk(self) -> Walk:
        disturb = self.disturb if self.training and torch.is_grad_enabled() else None
        return self.graph.walk(self.item_ID, disturb=disturb)
