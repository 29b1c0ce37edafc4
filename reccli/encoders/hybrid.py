"""Items by id, text and graph together, weighed by a learned gate; users by their history.

B batch rows, N items asked for, I items, U users, D embedding, T text vector, K parts (id, graph, text).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from reccli.api import Batch, Choices, Context, Encoder, Histories, Range, TrainingData, Walk
from reccli.nn.gate import Gate
from reccli.nn.history_bags import Bags, HistoryBags
from reccli.nn.item_graph import ItemGraph
from reccli.nn.tables import item_table, look_up
from reccli.nn.text_folder import find_model, model_determinants, model_label
from reccli.nn.text_projection import TextProjection
from reccli.nn.text_source import TextSource
from reccli.nn.text_table import TextTable
from reccli.nn.text_usage import TextReading, usage_of
from reccli.nn.user_blocks import by_blocks

__all__ = ["Hybrid"]

BLOCK = 8192
ID, GRAPH, TEXT = 0, 1, 2


class Hybrid(Encoder):
    """Fuse what an item's id, its place in the graph and its text say; a user is the weighted mean of the history.

    ::

        item_i = g_i1 a_i + g_i2 (A a)_i + g_i3 P t_i                g_i = softmax over the parts that item i has
        user   = sum over history j of  c_j ((g_j1 + g_j2) a_j + g_j3 P t_j) / sum of |c_j|

    with `a` a trained table (`item_ID`), `A` the mean of no step and two steps over the graph of interactions, `t` the
    frozen, centred text vectors, `P` a projection (`reccli.nn.text_projection`), `g` the gate (`reccli.nn.gate`), which
    sees the text and how often an item was met, and `c_j` the weight of a history entry. Items that nobody met have
    their text alone, by a ridge regression of the vectors of all others, fitted anew in each epoch. In training the ids
    of a share of all items are dropped in each epoch, so that all learn to do without them.

    Args:
        settings.dim: Length of the vectors, 64 to 512.
        settings.drop: Share of items whose ids are dropped in an epoch, 0.1 to 0.5.
        settings.layers: Steps over the graph, 0 or 2.

    Shapes:
        users(batch) BD; items(codes) ND, D one more than `dim`: it lowers the cosines of items without an id.

    Raises:
        MissingExtraError: The offline default is wanted and its wheel is not installed.
        OfflineError: `path` names a model of a hub, and `--online` was not given.
        DamagedArtifactError: The model's folder is not safe to open, or not the one that a run was trained with.

    Notes:
        The table starts from the spectrum of the interactions: before any step warm items are where `history` has them,
        and cold ones where their texts suggest. A trained projection learns its items by heart, which helps these and
        none else: for cold films NDCG@10 on validation fell from .24 to between .15 and .21 in training, and rose to
        .28 by a fitted one. Users leave the graph out, as it knows the very interaction that is to be predicted.

    Paper:
        Volkovs, Yu, Poutanen: DropoutNet: Addressing Cold Start in Recommender Systems, NeurIPS 2017,
        https://papers.nips.cc/paper/7081-dropoutnet-addressing-cold-start-in-recommender-systems (dropped ids). Zhu et
        al.: Recommendation for New Users and New Items, SIGIR 2020, https://doi.org/10.1145/3397271.3401178 (a gate).

    Pairs well with:
        `infonce` with `uniform` negatives, `softmax` on small catalogues; similarity `cosine`.

    Example:
        >>> Hybrid.Settings(drop=0.5).drop
        0.5
    """

    class Settings(TextReading):
        """Settings of `hybrid`."""

        dim: Annotated[int, Choices((64, 128, 256, 512))] = Field(default=256, ge=1)
        """Length of the vectors: 64 to 512."""
        drop: Annotated[float, Range(0.0, 0.5)] = Field(default=0.2, ge=0, lt=1)
        """Share of items whose ids are dropped in an epoch: 0.1 to 0.5; 0 for none."""
        doubt: float = Field(default=0.8, ge=0, le=1)
        """How far items that nobody met stand back: 1 as far as texts are unsure (few are listed), 0 not at all."""
        layers: Literal[0, 2] = 2
        """Steps over the graph; 0 for none."""
        order: Literal["auto", "causal", "set"] = "auto"
        """`causal` pools what came before a row, `set` all the rest; `auto` is causal where the future is predicted."""
        mask: Annotated[float, Range(0.3, 0.7)] = Field(default=0.5, ge=0, lt=1)
        """With `set`: share of a history hidden in an epoch; what is hidden is trained on."""
        dropout: float = Field(default=0.2, ge=0, lt=1)
        """With `causal`: share of history entries left out in an epoch."""
        window: int = Field(default=100, ge=1)
        """With `causal`: entries looked back upon."""
        rows: int = Field(default=32, ge=1)
        """With `causal`: training rows of a user in each epoch, drawn at random."""
        start: Literal["auto", "spectrum", "random"] = "auto"
        """What the table starts from; `auto` is the spectrum, and random for ratings and labels."""
        std: float = Field(default=0.1, gt=0)
        """Typical entry at the start."""

    needs: ClassVar[frozenset[str]] = frozenset({"history", "graph", "text"})
    views: frozenset[str] = frozenset({"graph", "history"})
    grouped: ClassVar[bool] = True
    serves_new_users: bool = True
    serves_new_items: bool = True
    serves_user_texts: bool = True
    default_loss: ClassVar[str] = "infonce"
    default_sampler: ClassVar[str] = "in-batch"
    defaults: ClassVar[dict[str, Any]] = {
        "similarity": "cosine",
        "epochs": 60,
        "batch_size": 8192,
        "learning_rate": 0.005,
        "average": 0.9,
        "patience": 6,
        "loss.temperature": 0.1,
        "loss.log_q": True,
        "small": {"loss": "softmax"},
        "time": {
            "loss": "infonce",
            "sampler": "uniform",
            "sampler.count": 2048,
            "batch_size": 1024,
            "learning_rate": 0.003,
        },
    }

    has_IK: Tensor
    count_I1: Tensor

    def setup(self, data: TrainingData, context: Context) -> None:
        """Open the text model (or the cache of what it said), and start table and projection."""
        given = self.settings
        self.n_items, self._context = data.n_items, context
        causal = data.ordered if given.order == "auto" else given.order == "causal"
        share = given.dropout if causal else given.mask
        self.bags = HistoryBags(data, context, causal=causal, share=share, window=given.window)
        self.one_vector_per_user, self.targets_per_user = self.bags.shared, given.rows if causal else None
        self._read_texts(data, context)
        self.graph = ItemGraph(data.train, given.layers // 2)
        self.reads_order, self.views = causal, type(self).views if given.layers else frozenset({"history"})
        self._start(data, context)
        self._dropped_I: Tensor | None = None
        self._step: tuple[Tensor, Walk] | None = None

    def determinants(self, context: Context) -> dict[str, str]:
        """Return the digest of the text model's folder, and how its tokens are pooled."""
        folder = find_model(self.settings.path, pretrained=context.pretrained, online=context.online)
        return model_determinants(folder) | {"pooling": usage_of(folder, pooling=self.settings.pooling).pooling}

    def begin_epoch(self, epoch: int) -> None:
        """Draw which entries are hidden and which ids are dropped: a function of seed and epoch alone."""
        self.bags.begin_epoch(epoch)
        self._dropped_I = None
        self._fit()
        drawn_I = torch.rand(self.n_items, generator=self._context.generator(f"hybrid ids dropped in epoch {epoch}"))
        self._dropped_I = (drawn_I < self.settings.drop).to(self.item_ID.device)

    def rows_of_epoch(self) -> Tensor | None:
        """Return the hidden rows where rows are predicted from the others."""
        return self.bags.rows_of_epoch()

    def begin_step(self) -> None:
        """Weigh the parts of all items, and walk the graph once."""
        if not self.training:
            return self._fit()
        self._step = self._weights(), self._graph()

    def walk(self, step: Callable[[Tensor], Tensor] | None = None) -> Walk:
        """Return the table of items and what two steps over the graph make of it."""
        own = self.training and step is None
        return self._now()[1] if own else self.graph.walk(self.item_ID, step=step)

    def read(self, histories: Histories) -> Tensor:
        """Return pooled histories, RD."""
        return self._pooled(self.bags.of_users(histories, hiding=True), None)

    def users(self, batch: Batch) -> Tensor:
        """Return the pooled rest (or past) of each row's history, BD."""
        return self._pooled(self.bags.of_rows(batch), batch.item_B)

    def items(self, item_N: Tensor) -> Tensor:
        """Return fused vectors by code, ND."""
        gate_IK, walk = self._now()
        gate_NK = gate_IK[item_N]
        own_ND = gate_NK[:, ID, None] * look_up(self.item_ID, item_N) + gate_NK[:, GRAPH, None] * walk.mean_VD[item_N]
        return self.text.doubted(own_ND + self._text_part(item_N, gate_NK), gate_NK[:, ID] > 0)

    def regularised(self, batch: Batch) -> list[Tensor]:
        """Return the table's rows of the batch's positives."""
        return [look_up(self.item_ID, batch.item_B)]

    def parameter_groups(self) -> Iterator[dict[str, Any]]:
        """Yield the table, what reads texts, which takes small steps, and gate and ages, which take large ones."""
        yield {"params": [self.item_ID, self.nobody_D], "lr_scale": 1.0}
        yield {"params": [*self.text.parameters()], "lr_scale": 0.1}
        few = [*self.gate.parameters(), *(p for p in self.bags.parameters() if p.requires_grad)]
        yield {"params": few, "lr_scale": 5.0, "weight_decay": 0.0}

    @torch.no_grad()
    def export_users(self, histories: Histories) -> Tensor:
        """Return the pooled histories, UD, block by block."""
        self.begin_step()
        size = self.settings.dim + 1
        return by_blocks(lambda part: self._pooled(self.bags.of_users(part), None), histories, BLOCK, size)

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Return vectors of items given by text alone, ND on the CPU."""
        self._fit()
        vector_ND = self.table.encode(self.usage.items(texts)) @ self.text.instead_TD
        nobody_N = torch.zeros(len(texts), dtype=torch.bool, device=vector_ND.device)
        return self.text.doubted(vector_ND, nobody_N).float().cpu()

    @torch.no_grad()
    def encode_user_texts(self, texts: Sequence[str]) -> Tensor:
        """Return vectors of users given by what they say, ND on the CPU."""
        self._fit()
        return functional.pad(self.table.encode(self.usage.users(texts)) @ self.text.instead_TD, (0, 1)).float().cpu()

    def _read_texts(self, data: TrainingData, context: Context) -> None:
        given = self.settings
        folder = find_model(given.path, pretrained=context.pretrained, online=context.online)
        self.usage = usage_of(folder, pooling=given.pooling, prefix=given.prefix, user_prefix=given.user_prefix)
        shape = {"pooling": self.usage.pooling, "max_length": given.max_length, "batch": given.text_batch}
        source = TextSource(folder, **shape, device=context.device, cache=context.cache, say=context.say)
        texts = list(data.item_text_I or [""] * data.n_items)
        count_I = torch.from_numpy(data.item_count_I())
        self.table = TextTable(source, self.usage.items(texts), count_I > 0, restoring=context.restoring)
        known_I, told_I = count_I > 0, torch.tensor([bool(text.strip()) for text in texts])
        has_IK = torch.stack([known_I, known_I & bool(given.layers), told_I], dim=1)
        self.register_buffer("has_IK", has_IK, persistent=False)
        self.register_buffer("count_I1", count_I.float().log1p()[:, None] / 5.0, persistent=False)
        if not context.restoring:
            story = f"hybrid: ids, graph and texts by {model_label(folder)} on cached frozen vectors"
            context.say("; ".join([story, *self.usage.notes]))

    def _start(self, data: TrainingData, context: Context) -> None:
        given = self.settings
        self.item_ID = item_table(data, context, given.dim, start=given.start, std=given.std, name="hybrid")
        self.text = TextProjection(self.table.size, given.dim, doubt=given.doubt)
        self.text.start(self.text_IT[self._told()], self.item_ID[self._told()])
        self.gate = Gate([2.0, 0.0, 0.0], self.table.size + 1)
        count_I = torch.from_numpy(data.item_count_I()).float()
        self.nobody_D = nn.Parameter(count_I @ self.item_ID.detach() / count_I.sum().clamp_min(1.0) + 1e-3 * given.std)

    def _told(self) -> Tensor:
        """Return the items that have an id and a text, W."""
        return (self.has_IK[:, ID] & self.has_IK[:, TEXT]).nonzero()[:, 0]

    @torch.no_grad()
    def _fit(self) -> None:
        """Fit what stands for ids to the vectors as they are now."""
        self._step = self._weights(), self._graph()
        self.text.fit(self.text_IT[self._told()], self.items(self._told())[:, :-1])

    @property
    def text_IT(self) -> Tensor:
        """Centred frozen text vectors, IT."""
        return self.table.base_ID

    def _text_part(self, code_N: Tensor, gate_NK: Tensor) -> Tensor:
        """Return what texts add to vectors, ND."""
        told_ND: Tensor = self.text(self.text_IT[code_N], gate_NK[:, ID] > 0)
        return gate_NK[:, TEXT, None] * told_ND

    def _weights(self) -> Tensor:
        """Return the gate of all items, IK; dropped ids count as not there, where there is a text."""
        has_IK = self.has_IK
        if self.training and self._dropped_I is not None:
            gone_I1 = (self._dropped_I & has_IK[:, TEXT])[:, None]
            has_IK = has_IK & ~(gone_I1 & torch.tensor([True, True, False], device=has_IK.device))
        weight_IK: Tensor = self.gate(torch.cat([self.text_IT, self.count_I1], dim=1), has_IK)
        return weight_IK

    def _graph(self) -> Walk:
        disturb = self.disturb if self.training and torch.is_grad_enabled() else None
        return self.graph.walk(self.item_ID, disturb=disturb)

    def _pooled(self, bags: Bags, own_B: Tensor | None) -> Tensor:
        """Pool what users see of items: ids and texts, for each distinct item once."""
        entries = len(bags.item_H)
        codes = bags.item_H if own_B is None else torch.cat([bags.item_H, own_B])
        code_M, place = torch.unique(codes, return_inverse=True)
        gate_MK = self._now()[0][code_M]
        seen_MD = (gate_MK[:, ID] + gate_MK[:, GRAPH])[:, None] * look_up(self.item_ID, code_M)
        seen_MD = seen_MD + self._text_part(code_M, gate_MK)
        own_BD = None if own_B is None else look_up(seen_MD, place[entries:])
        mean_BD = replace(bags, item_H=place[:entries]).mean(seen_MD, own_BD)
        return functional.pad(torch.where(bags.known_B1, mean_BD, self.nobody_D), (0, 1))

    def _now(self) -> tuple[Tensor, Walk]:
        return self._step if self._step is not None else (self._weights(), self._graph())
