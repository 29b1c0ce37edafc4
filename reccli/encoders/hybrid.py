"""Items by id, text and graph together, weighed by a learned gate; users by their history.

B batch rows, N items asked for, I items, U users, D embedding, T text vector, K parts (id, graph, text).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from reccli.api import Batch, Context, Encoder, Histories, TrainingData
from reccli.nn.gate import Gate
from reccli.nn.history_bags import Bags, HistoryBags
from reccli.nn.propagation import Propagation
from reccli.nn.ridge import ridge
from reccli.nn.tables import look_up, random_table, spectral_start, table_from
from reccli.nn.text_folder import find_model, model_determinants, model_label
from reccli.nn.text_source import TextSource
from reccli.nn.text_table import TextTable
from reccli.nn.text_usage import TextReading, usage_of

__all__ = ["Hybrid"]

BLOCK = 8192
ID, GRAPH, TEXT = 0, 1, 2


class Hybrid(Encoder):
    """Fuse what an item's id, its place in the graph and its text say; a user is the weighted mean of the history.

    ::

        item_i = g_i1 a_i + g_i2 (A a)_i + g_i3 P t_i                g_i = softmax over the parts that item i has
        user   = sum over history j of  c_j ((g_j1 + g_j2) a_j + g_j3 P t_j) / sum of |c_j|

    with `a` a trained table (`item_ID`), `A` the mean of no step and two steps over the graph of interactions, `t` the
    frozen, centred text vectors, `P` the ridge regression from texts to the table, fitted anew in each epoch, `g` the
    gate (`reccli.nn.gate`), which sees the text and how often an item was met, and `c_j` the weight of a history entry.
    Items that nobody met have their text alone. In training the ids of a share of all items are dropped in each epoch,
    so that texts learn to stand in for them.

    Args:
        settings.dim: Length of the vectors, 64 to 512.
        settings.drop: Share of items whose ids are dropped in an epoch, 0.1 to 0.5.
        settings.layers: Steps over the graph, 0 or 2.

    Shapes:
        users(batch) BD; items(codes) ND.

    Raises:
        MissingExtraError: The offline default is wanted and its wheel is not installed.
        OfflineError: `path` names a model of a hub, and `--online` was not given.
        DamagedArtifactError: The model's folder is not safe to open, or not the one that a run was trained with.

    Notes:
        The table starts from the spectrum of the interactions: before any step warm items are where `history` has them,
        and cold ones where their texts suggest. A projection trained by gradients learns its items by heart (NDCG@10 of
        cold films on validation fell from .24 to .15 to .21; fitted anew it rose to .28). Users leave the graph out, as
        the graph knows the very interaction that is to be predicted.

    Paper:
        Volkovs, Yu, Poutanen: DropoutNet: Addressing Cold Start in Recommender Systems, NeurIPS 2017,
        https://papers.nips.cc/paper/7081-dropoutnet-addressing-cold-start-in-recommender-systems (dropped ids). Zhu,
        Sun, Cao, Wang, Zhang, Caverlee: Recommendation for New Users and New Items via Randomized Training and
        Mixture-of-Experts Transformation, SIGIR 2020, https://doi.org/10.1145/3397271.3401178 (a gate over parts).

    Pairs well with:
        `infonce` with `uniform` negatives, `softmax` on small catalogues; similarity `cosine`.

    Example:
        >>> Hybrid.Settings(drop=0.5).drop
        0.5
    """

    class Settings(TextReading):
        """Settings of `hybrid`."""

        dim: int = Field(default=256, ge=1)
        """Length of the vectors: 64 to 512."""
        drop: float = Field(default=0.2, ge=0, lt=1)
        """Share of items whose ids are dropped in an epoch: 0.1 to 0.5; 0 for none."""
        layers: Literal[0, 2] = 2
        """Steps over the graph; 0 for none."""
        order: Literal["auto", "causal", "set"] = "auto"
        """`causal` pools what came before a row, `set` all the rest; `auto` is causal where the future is predicted."""
        mask: float = Field(default=0.5, ge=0, lt=1)
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
    text_TD: Tensor

    def setup(self, data: TrainingData, context: Context) -> None:
        """Open the text model (or the cache of what it said), and start table and projection."""
        given = self.settings
        self.n_items, self._context = data.n_items, context
        causal = data.ordered if given.order == "auto" else given.order == "causal"
        share = given.dropout if causal else given.mask
        self.bags = HistoryBags(data, context, causal=causal, share=share, window=given.window)
        self.one_vector_per_user, self.targets_per_user = self.bags.shared, given.rows if causal else None
        self._read_texts(data, context)
        self._start(data, context)
        self.propagation = Propagation(data.train, given.layers) if given.layers else None
        self._dropped_I: Tensor | None = None
        self._step: tuple[Tensor, Tensor] | None = None

    def determinants(self, context: Context) -> dict[str, str]:
        """Return the digest of the text model's folder, and how its tokens are pooled."""
        folder = find_model(self.settings.path, pretrained=context.pretrained, online=context.online)
        return model_determinants(folder) | {"pooling": usage_of(folder, pooling=self.settings.pooling).pooling}

    def begin_epoch(self, epoch: int) -> None:
        """Draw which entries are hidden and which ids are dropped: a function of seed and epoch alone."""
        self.bags.begin_epoch(epoch)
        self._fit()
        drawn_I = torch.rand(self.n_items, generator=self._context.generator(f"hybrid ids dropped in epoch {epoch}"))
        self._dropped_I = (drawn_I < self.settings.drop).to(self.item_ID.device)

    def rows_of_epoch(self) -> Tensor | None:
        """Return the hidden rows where rows are predicted from the others."""
        return self.bags.rows_of_epoch()

    def begin_step(self) -> None:
        """Weigh the parts of all items, and walk the graph once."""
        if not self.training:
            self._fit()
        self._step = self._weights(), self._graph()

    def users(self, batch: Batch) -> Tensor:
        """Return the pooled rest (or past) of each row's history, BD."""
        return self._pooled(self.bags.of_rows(batch), batch.item_B)

    def items(self, item_N: Tensor) -> Tensor:
        """Return fused vectors by code, ND."""
        gate_IK, graph_ID = self._now()
        gate_NK = gate_IK[item_N]
        own_ND = gate_NK[:, ID, None] * look_up(self.item_ID, item_N) + gate_NK[:, GRAPH, None] * graph_ID[item_N]
        return own_ND + gate_NK[:, TEXT, None] * (self.text_IT[item_N] @ self.text_TD)

    def regularised(self, batch: Batch) -> list[Tensor]:
        """Return the table's rows of the batch's positives."""
        return [look_up(self.item_ID, batch.item_B)]

    def parameter_groups(self) -> Iterator[dict[str, Any]]:
        """Yield the table, the gate, whose slopes take small steps, and the exponent of ages."""
        yield {"params": [self.item_ID, self.nobody_D], "lr_scale": 1.0}
        yield {"params": [self.gate.slope_FK], "lr_scale": 0.1}
        yield {"params": [self.gate.start_K], "lr_scale": 1.0, "weight_decay": 0.0}
        yield {"params": [p for p in self.bags.parameters() if p.requires_grad], "lr_scale": 5.0, "weight_decay": 0.0}

    @torch.no_grad()
    def export_users(self, histories: Histories) -> Tensor:
        """Return the pooled histories, UD, block by block."""
        self.begin_step()
        blocks = []
        for low in range(0, histories.n_users, BLOCK):
            part = histories.rows(np.arange(low, min(low + BLOCK, histories.n_users)))
            blocks.append(self._pooled(self.bags.of_users(part), None).float().cpu())
        return torch.cat(blocks) if blocks else torch.empty(0, self.settings.dim)

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Return vectors of items given by text alone, ND on the CPU."""
        self._fit()
        return (self.table.encode(self.usage.items(texts)) @ self.text_TD).float().cpu()

    @torch.no_grad()
    def encode_user_texts(self, texts: Sequence[str]) -> Tensor:
        """Return vectors of users given by what they say, ND on the CPU."""
        self._fit()
        return (self.table.encode(self.usage.users(texts)) @ self.text_TD).float().cpu()

    def _read_texts(self, data: TrainingData, context: Context) -> None:
        given, folder = (
            self.settings,
            find_model(self.settings.path, pretrained=context.pretrained, online=context.online),
        )
        self.usage = usage_of(folder, pooling=given.pooling, prefix=given.prefix, user_prefix=given.user_prefix)
        source = TextSource(
            folder,
            pooling=self.usage.pooling,
            max_length=given.max_length,
            batch=given.text_batch,
            device=context.device,
            cache=context.cache,
            say=context.say,
        )
        texts = list(data.item_text_I or [""] * data.n_items)
        count_I = torch.from_numpy(data.item_count_I())
        self.table = TextTable(source, self.usage.items(texts), count_I > 0, restoring=context.restoring)
        told_I = torch.tensor([bool(text.strip()) for text in texts])
        graph_I = (count_I > 0) & bool(given.layers)
        self.register_buffer("has_IK", torch.stack([count_I > 0, graph_I, told_I], dim=1), persistent=False)
        self.register_buffer("count_I1", count_I.float().log1p()[:, None] / 5.0, persistent=False)
        if not context.restoring:
            notes = "".join(f"; {note}" for note in self.usage.notes)
            context.say(f"hybrid: ids, graph and texts by {model_label(folder)} on cached frozen vectors{notes}")

    def _start(self, data: TrainingData, context: Context) -> None:
        given, generator = self.settings, context.generator("hybrid table")
        start = given.start if given.start != "auto" else "spectrum" if data.task == "ranking" else "random"
        size = self.table.size
        if start == "random" or context.restoring:
            self.item_ID = random_table(data.n_items, given.dim, std=given.std, generator=generator)
        else:
            _, item_IR = spectral_start(data, context, given.dim)
            self.item_ID = table_from(item_IR, given.dim, std=given.std, generator=generator)
        self.register_buffer("text_TD", torch.zeros(size, given.dim))
        self._fit()
        self.gate = Gate([2.0, 0.0, 0.0], size + 1)
        share_I = torch.from_numpy(data.item_count_I()).float()
        share_I /= share_I.sum().clamp_min(1.0)
        self.nobody_D = nn.Parameter(share_I @ self.item_ID.detach() + 1e-3 * given.std)

    @torch.no_grad()
    def _fit(self) -> None:
        """Fit the projection to the table as it is now."""
        told_I = self.has_IK[:, ID] & self.has_IK[:, TEXT]
        self.text_TD.copy_(ridge(self.text_IT[told_I], self.item_ID[told_I]))

    @property
    def text_IT(self) -> Tensor:
        """Centred frozen text vectors, IT."""
        return self.table.base_ID

    def _weights(self) -> Tensor:
        """Return the gate of all items, IK; dropped ids count as not there, where there is a text."""
        has_IK = self.has_IK
        if self.training and self._dropped_I is not None:
            gone_I1 = (self._dropped_I & has_IK[:, TEXT])[:, None]
            has_IK = has_IK & ~(gone_I1 & torch.tensor([True, True, False], device=has_IK.device))
        weight_IK: Tensor = self.gate(torch.cat([self.text_IT, self.count_I1], dim=1), has_IK)
        return weight_IK

    def _graph(self) -> Tensor:
        """Return the mean of the table and what two steps over the graph make of it, ID."""
        if self.propagation is None:
            return self.item_ID
        users_UD = self.item_ID.new_zeros(self.propagation.n_users, self.item_ID.shape[1])
        both_ID: Tensor = self.propagation(users_UD, self.item_ID)[1]
        return both_ID * 1.5  # of the three layers in the mean the middle one is the users', and empty

    def _pooled(self, bags: Bags, own_B: Tensor | None) -> Tensor:
        """Pool what users see of items: ids and texts, for each distinct item once."""
        entries = len(bags.item_H)
        codes = bags.item_H if own_B is None else torch.cat([bags.item_H, own_B])
        code_M, place = torch.unique(codes, return_inverse=True)
        gate_MK = self._now()[0][code_M]
        seen_MD = (gate_MK[:, ID] + gate_MK[:, GRAPH])[:, None] * look_up(self.item_ID, code_M)
        seen_MD = seen_MD + gate_MK[:, TEXT, None] * (self.text_IT[code_M] @ self.text_TD)
        own_BD = None if own_B is None else look_up(seen_MD, place[entries:])
        mean_BD = replace(bags, item_H=place[:entries]).mean(seen_MD, own_BD)
        return torch.where(bags.known_B1, mean_BD, self.nobody_D)

    def _now(self) -> tuple[Tensor, Tensor]:
        if self._step is None:
            self._step = self._weights(), self._graph()
        return self._step
