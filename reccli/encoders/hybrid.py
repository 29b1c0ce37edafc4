"""Items by id, text and graph together, weighed by a learned gate; users by their history; beside it a closed form.

B batch rows, N items asked for, I items, U users, D embedding, R components.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from reccli.api import Batch, ComponentSettings, Context, Encoder, Histories, Range, TrainingData, Walk
from reccli.errors import ConfigError
from reccli.nn.collective_ease import CollectiveEase
from reccli.nn.ease_settings import EaseSettings
from reccli.nn.gated_items import GatedItems, GatedItemsSettings
from reccli.nn.history_bags import Bags, HistoryBags
from reccli.nn.history_map import HistoryMap
from reccli.nn.mixed_scores import Deviations, mixed_users
from reccli.nn.sentence_words import SentenceWords
from reccli.nn.tables import first_vectors, look_up
from reccli.nn.text_folder import model_label
from reccli.nn.text_reading import TextReading, model_start, open_reading, reading_determinants
from reccli.nn.user_blocks import by_blocks

__all__ = ["Hybrid"]

BLOCK = 8192


class Hybrid(Encoder):
    """Fuse what an item's id, its place in the graph and its text say; mix in what EASE with words says.

    ::

        score  = (1 - b) cos(user, item) / d_1(user)  +  b (EASE's score) / d_2(user)

        item_i = g_i1 a_i + g_i2 (A a)_i + g_i3 P t_i                g_i = softmax over the parts that item i has
        seen_j = (g_j1 + g_j2) a_j + g_j3 P t_j                      (`reccli.nn.gated_items`)
        user   = sum over history j of  c_j seen_j / sum of |c_j|                      without an order
        user   = W (sum over what came before, j, of  c_j unit(seen_j) / sum of |c_j|) + w_0         with one

    with `a` a trained table (`item_ID`), `A` the mean of no step and two steps over the graph of interactions, `t`
    texts by a frozen sentence model and by their words (`reccli.nn.sentence_words`), `P` a projection
    (`reccli.nn.text_projection`), `g` the gate (`reccli.nn.gate`), which sees the text and how often an item was met,
    `c_j` the weight of a history entry, `W` and `w_0` trained, `b` the setting `base`, and `d` the deviation of a
    user's scores over the items (`reccli.nn.mixed_scores`). Items that nobody met have their text alone, by a ridge
    regression of the vectors of all others, fitted anew in each epoch, and in EASE their words. Without an order the
    ids of a share of all items are dropped in each epoch, so that all learn to do without them.

    Args:
        settings.base: Share of EASE in the scores, 0 for none; in rankings alone. `rank`, `l2`, `user_power`, `words`,
            `recency`, `vocabulary`, `n_iter` are those of `ease`.
        settings.text: Whether texts are read at all; `no` for the same encoder by ids and graph.
        settings.dim: Length of the trained vectors, 64 to 512.
        settings.drop: Share of items whose ids are dropped in an epoch, 0.1 to 0.5.
        settings.layers: Steps over the graph, 0 or 2.

    Shapes:
        users(batch) BD; items(codes) ND, D one more than `dim`: it lowers the cosines of items without an id. In
        rankings of unit length. What is exported is R numbers wider, where `base` counts.

    Raises:
        ConfigError: `words` is a number above 0, and the items have no texts.
        MissingExtraError: The offline default is wanted and its wheel is not installed.
        OfflineError: `path` names a model of a hub, and `--online` was not given.
        DamagedArtifactError: The model's folder is not safe to open, or not the one that a run was trained with.

    Notes:
        EASE is solved before training and does not take part in it: with its scores (solved without the users in
        question) in the logits the likelihood rises and the ranking falls (NDCG@10 on validation from .234 to .197).
        Words help through EASE where items are known; the trained part reads texts for the others. The table starts
        from the spectrum of the interactions where there is no order: before any step warm items are where `history`
        has them, and cold ones where their texts suggest. A trained projection learns its items by heart, which helps
        these and none else: for cold films NDCG@10 on validation fell from .24 to between .15 and .21 in training, and
        rose to .28 by a fitted one. Users leave the graph out, as it knows the very row that is to be predicted.

    Paper:
        Volkovs, Yu, Poutanen: DropoutNet: Addressing Cold Start in Recommender Systems, NeurIPS 2017,
        https://papers.nips.cc/paper/7081-dropoutnet-addressing-cold-start-in-recommender-systems (dropped ids). Zhu et
        al.: Recommendation for New Users and New Items, SIGIR 2020, https://doi.org/10.1145/3397271.3401178 (a gate).
        EASE and words: see `ease`.

    Pairs well with:
        `infonce` with `uniform` negatives, `softmax` on small catalogues; similarity `dot`, of unit vectors, in
        rankings, `cosine` otherwise.

    Example:
        >>> Hybrid.Settings(drop=0.5).drop
        0.5
    """

    class Settings(TextReading, EaseSettings, GatedItemsSettings):
        """Settings of `hybrid`."""

        base: Annotated[float, Range(0.0, 1.0)] = Field(default=0.5, ge=0, le=1)
        """Share of EASE in the scores of rankings, 0 to 1; 0 leaves it out; 0.1 is preferred with an order."""
        text: Literal["yes", "no"] = "yes"
        """Whether texts are read; `no` for ids and graph alone."""
        order: Literal["auto", "causal", "set"] = "auto"
        """`causal` pools what came before a row, `set` all the rest; `auto` is causal where the future is predicted."""
        mask: Annotated[float, Range(0.3, 0.7)] = Field(default=0.5, ge=0, lt=1)
        """With `set`: share of a history hidden in an epoch; what is hidden is trained on."""
        dropout: float = Field(default=0.5, ge=0, lt=1)
        """With `causal`: share of the numbers of history vectors that a step does not see."""
        hidden: float = Field(default=0.0, ge=0, lt=1)
        """With `causal`: share of history entries left out in an epoch."""
        window: int = Field(default=50, ge=1)
        """With `causal`: entries looked back upon."""
        rows: int = Field(default=50, ge=1)
        """With `causal`: training rows of a user in each epoch, drawn at random."""

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
            "epochs": 80,
            "loss": "infonce",
            "sampler": "uniform",
            "sampler.count": 1024,
            "batch_size": 3072,
            "learning_rate": 0.003,
            "average": 0.98,
            "encoder.base": 0.1,
            "encoder.start": "random",
            "encoder.drop": 0.0,
            "encoder.layers": 0,
        },
        "ranking": {"similarity": "dot"},
    }

    def __init__(self, settings: ComponentSettings | None = None) -> None:
        super().__init__(settings)
        if not self.settings.layers:
            self.views = frozenset({"history"})

    def dot_alone(self, task: str) -> bool:
        """Whether EASE has a share in the scores, and with it what its lengths mean."""
        return task == "ranking" and self.settings.base > 0

    def starts_from(self, offered: Mapping[str, int], task: str) -> frozenset[str]:
        """Return the vectors that the table starts from, and the text model, where texts are read and none is named."""
        vectors = first_vectors(offered, self.settings.dim, start=self.settings.start, task=task)
        return vectors | model_start(self.settings.path, offered) if self.settings.text == "yes" else vectors

    def setup(self, data: TrainingData, context: Context) -> None:
        """Solve EASE, open the text model (or the cache of what it said), and start the parts of items."""
        given = self.settings
        self.n_items, self.ranks = data.n_items, data.task == "ranking"
        self.causal = self.reads_order = data.ordered if given.order == "auto" else given.order == "causal"
        self.base = self._solved(data, context) if self.ranks and given.base else None
        self._of_base: Deviations | None = None
        self.serves_new_items = self.serves_user_texts = given.text == "yes"
        texts = self._read_texts(data, context) if given.text == "yes" else None
        gate_K = [1.0, 0.0, 1.0] if self.causal else [2.0, 0.0, 0.0]
        self.parts = GatedItems(data, context, given, texts, gate_K, name="hybrid")
        share = given.hidden if self.causal else given.mask
        self.bags = HistoryBags(data, context, causal=self.causal, share=share, window=given.window)
        self.one_vector_per_user, self.targets_per_user = self.bags.shared, given.rows if self.causal else None
        self.map = HistoryMap(given.dim, given.dropout) if self.causal else None
        count_I = torch.from_numpy(data.item_count_I()).float()
        mean_D = count_I @ self.parts.item_ID.detach() / count_I.sum().clamp_min(1.0)
        self.nobody_D = nn.Parameter(mean_D + 1e-3 * given.std)

    def determinants(self, context: Context) -> dict[str, str]:
        """Return the digest of the text model's folder, and how its tokens are pooled."""
        given = self.settings
        return {} if given.text == "no" else reading_determinants(given.path, given.pooling, context)

    def begin_epoch(self, epoch: int) -> None:
        """Draw which entries are hidden and which ids are dropped: a function of seed and epoch alone."""
        self.bags.begin_epoch(epoch)
        self.parts.begin_epoch(epoch)

    def rows_of_epoch(self) -> Tensor | None:
        """Return the hidden rows where rows are predicted from the others."""
        return self.bags.rows_of_epoch()

    def begin_step(self) -> None:
        """Weigh the parts of all items, and walk the graph once."""
        self.parts.disturb = self.disturb
        self.parts.begin_step()

    def walk(self, step: Callable[[Tensor], Tensor] | None = None) -> Walk:
        """Return the table of items and what two steps over the graph make of it."""
        return self.parts.walk(step)

    def read(self, histories: Histories) -> Tensor:
        """Return pooled histories, RD."""
        return self._pooled(self.bags.of_users(histories, hiding=True), None)

    def users(self, batch: Batch) -> Tensor:
        """Return the pooled rest (or past) of each row's history, BD."""
        return self._pooled(self.bags.of_rows(batch), batch.item_B)

    def items(self, item_N: Tensor) -> Tensor:
        """Return fused vectors by code, ND."""
        return self._compared(self.parts.placed(item_N))

    def regularised(self, batch: Batch) -> list[Tensor]:
        """Return the table's rows of the batch's positives."""
        return [look_up(self.parts.item_ID, batch.item_B)]

    def parameter_groups(self) -> Iterator[dict[str, Any]]:
        """Yield table and map, what reads texts (small steps from a regression), and what is few (large ones)."""
        mapping = [] if self.map is None else [*self.map.parameters()]
        yield {"params": [self.parts.item_ID, self.nobody_D, *mapping], "lr_scale": 1.0}
        yield {"params": [*self.parts.projection.parameters()], "lr_scale": 1.0 if self.causal else 0.1}
        few = [*self.parts.gate.parameters(), *(p for p in self.bags.parameters() if p.requires_grad)]
        yield {"params": few, "lr_scale": 5.0, "weight_decay": 0.0}

    @torch.no_grad()
    def export_items(self) -> Tensor:
        """Return the vectors of EASE, where it counts, and the fused ones beside them, ID on the CPU."""
        fused_ID = super().export_items()
        return fused_ID if self.base is None else torch.cat([self.base.item_IR.cpu(), fused_ID], dim=1)

    @torch.no_grad()
    def export_users(self, histories: Histories) -> Tensor:
        """Return the pooled histories, block by block, and before them those of EASE, UD on the CPU."""
        self.begin_step()
        size = self.settings.dim + 1
        pooled_UD = by_blocks(lambda part: self._pooled(self.bags.of_users(part), None), histories, BLOCK, size)
        if self.base is None:
            return pooled_UD
        met_I = self.base.item_IR.cpu().square().sum(1) > 0
        if self._of_base is None:  # it does not change, and is most of the work
            self._of_base = Deviations(self.base.item_IR.cpu()[met_I])
        trained = pooled_UD, Deviations(self.all_items().float().cpu()[met_I]), 1.0 - self.settings.base
        return mixed_users([(self.base.of_histories(histories), self._of_base, self.settings.base), trained])

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Return vectors of items given by text alone, ND on the CPU."""
        vector_ND = self._compared(self.parts.placed_by_text(self._reader().of_items(texts))).float().cpu()
        return vector_ND if self.base is None else torch.cat([self.base.of_texts(texts), vector_ND], dim=1)

    @torch.no_grad()
    def encode_user_texts(self, texts: Sequence[str]) -> Tensor:
        """Return vectors of users given by what they say, ND on the CPU: EASE has no part in them."""
        told_ND = functional.pad(self.parts.by_text(self._reader().of_users(texts)), (0, 1)).float().cpu()
        return told_ND if self.base is None else functional.pad(told_ND, (self.base.item_IR.shape[1], 0))

    def _solved(self, data: TrainingData, context: Context) -> CollectiveEase:
        base, given = CollectiveEase(), self.settings
        base.solve(data, context, given if given.text == "yes" else given.without_words())
        return base

    def _read_texts(self, data: TrainingData, context: Context) -> SentenceWords:
        source, usage = open_reading(self.settings, context)
        if not context.restoring:
            story = f"hybrid: ids, graph, texts by words and by {model_label(source.folder)} on cached frozen vectors"
            context.say("; ".join([story, *usage.notes]))
        warm_I, texts = torch.from_numpy(data.item_count_I() > 0), list(data.item_text_I or [""] * data.n_items)
        generator = context.numpy_generator("hybrid words")
        return SentenceWords(source, usage, texts, warm_I, generator=generator, restoring=context.restoring)

    def _reader(self) -> SentenceWords:
        if self.parts.texts is None:
            raise ConfigError("encoder.text=no: this run reads no texts", hint="--set encoder.text=yes")
        return self.parts.texts

    def _compared(self, vector_ND: Tensor) -> Tensor:
        """Return vectors of unit length in rankings, where their product is the cosine whatever stands beside it."""
        return functional.normalize(vector_ND, dim=1) if self.ranks else vector_ND

    def _pooled(self, bags: Bags, own_B: Tensor | None) -> Tensor:
        """Pool what users see of items, for each distinct item once."""
        entries = len(bags.item_H)
        codes = bags.item_H if own_B is None else torch.cat([bags.item_H, own_B])
        code_M, place = torch.unique(codes, return_inverse=True)
        seen_MD = self.parts.seen(code_M)
        if self.map is not None:
            seen_MD = self.map.seen(seen_MD)
        own_BD = None if own_B is None else look_up(seen_MD, place[entries:])
        mean_BD = replace(bags, item_H=place[:entries]).mean(seen_MD, own_BD)
        user_BD = torch.where(bags.known_B1, mean_BD, self.nobody_D)
        return self._compared(functional.pad(user_BD if self.map is None else self.map(user_BD), (0, 1)))
