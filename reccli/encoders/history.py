"""Users as the pooled vectors of their history.

U users, I items, E training interactions, B rows, G distinct users of a batch, H history entries of a batch, N items asked
for, D embedding.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from reccli.api import Batch, ComponentSettings, Context, Encoder, Histories, TrainingData
from reccli.nn.pooling import pool, ragged, recency
from reccli.nn.spectral import item_scale
from reccli.nn.tables import look_up, random_table, spectral_start, table_from

__all__ = ["History"]

BLOCK = 8192


class History(Encoder):
    """Learn one vector for each item; a user is the weighted sum of the vectors of its history.

    ::

        item_i = v_i        user = sum over history entries j of  w_j * g_j * (1 + a_j)^(-r) * v_j

    with `v` a trained table (`item_ID`), `w_j` the interaction's weight (for ratings and labels times its value in
    standard deviations from the mean), `g_j` a trained gain of the item (`exp(log_gain_I)`), `a_j` the entry's age in
    interactions and `r` a trained exponent (0 without an order). Users without a history get a trained vector
    (`nobody_D`).

    Args:
        settings.dim: Length of the vectors, 64 to 512.
        settings.order: `set` pools the rest of the history, whatever its order; `causal` pools what came before;
            `auto` is causal where the split predicts the future.
        settings.mask: With `set`: share of the history that is hidden in a step, 0.3 to 0.6.
        settings.dropout: With `causal`: share of history entries left out in a step, 0 to 0.5.
        settings.window: With `causal`: entries looked back upon, 20 to 200.
        settings.start: `spectrum`, `random`, or `auto`: random for ratings and labels, else the spectrum.
        settings.std: Typical entry of the table at the start, 0.05 to 0.2.
        settings.exponent: Popularity taken out of histories at the start, 0 to 0.6.
        settings.rows: Training rows of a user in each epoch, drawn at random.

    Shapes:
        batch -> BD; items -> ND; histories -> UD.

    Notes:
        Serves users who come after training. A row's own positive is always left out of its user. Hiding a random half
        makes the other half predict it: without that, near neighbours explain everything and nothing is learned. Sums
        over a batch's histories are made once for each user, so batches are grouped by user.

    Paper:
        Steck, Liang: Negative Interactions for Improved Collaborative Filtering: Don't go Deeper, go Higher, RecSys 2021,
        https://doi.org/10.1145/3460231.3474273 (linear autoencoders and their dropout); recency by a power law: Koren,
        Collaborative Filtering with Temporal Dynamics, KDD 2009, https://doi.org/10.1145/1557019.1557072.

    Pairs well with:
        `infonce` with `uniform` negatives, `softmax` on small catalogues.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1], [0, 1, 1], n_users=2, n_items=2))
        >>> encoder = History(History.Settings(dim=4, start="random"))
        >>> encoder.setup(data, Context())
        >>> tuple(encoder.export_users(data.train).shape)
        (2, 4)
    """

    class Settings(ComponentSettings):
        """Settings of `history`."""

        dim: int = Field(default=256, ge=1)
        """Length of the vectors: 64 to 512."""
        order: Literal["auto", "causal", "set"] = "auto"
        """`causal` pools what came before a row, `set` all the rest; `auto` is causal where the future is predicted."""
        mask: float = Field(default=0.5, ge=0, lt=1)
        """With `set`: share of a history hidden in a step."""
        dropout: float = Field(default=0.2, ge=0, lt=1)
        """With `causal`: share of history entries left out in a step."""
        window: int = Field(default=100, ge=1)
        """With `causal`: entries looked back upon."""
        start: Literal["auto", "spectrum", "random"] = "auto"
        """What the table starts from; `auto` is the spectrum, and random for ratings and labels."""
        std: float = Field(default=0.1, gt=0)
        """Typical entry at the start."""
        exponent: float = 0.3
        """Power by which popular items count less in a history at the start."""
        rows: int | None = Field(default=32, ge=1)
        """Training rows of a user in each epoch, drawn at random: heavy users cost no more than others teach."""

    needs: ClassVar[frozenset[str]] = frozenset({"history"})
    grouped: ClassVar[bool] = True
    serves_new_users: ClassVar[bool] = True
    default_loss: ClassVar[str] = "infonce"
    default_sampler: ClassVar[str] = "uniform"
    defaults: ClassVar[dict[str, Any]] = {
        "similarity": "cosine",
        "epochs": 60,
        "batch_size": 1024,
        "learning_rate": 0.002,
        "patience": 6,
        "loss.temperature": 0.1,
        "sampler.count": 2048,
    }

    offset_U1: Tensor
    item_E: Tensor
    weight_E: Tensor
    centre: Tensor

    def __init__(self, settings: ComponentSettings | None = None) -> None:
        super().__init__(settings)
        self.targets_per_user = self.settings.rows

    def setup(self, data: TrainingData, context: Context) -> None:
        """Build the table and keep the training histories at hand."""
        self.n_items = data.n_items
        given = self.settings
        self.causal = data.ordered if given.order == "auto" else given.order == "causal"
        self._generator = context.generator("history hidden")
        self._build_table(data, context)
        degree_I = np.asarray(data.train.to_scipy("weight").sum(axis=0), np.float32).ravel()
        log_gain_I = np.log(
            np.maximum(item_scale(degree_I, -given.exponent), 1e-6), where=degree_I > 0, out=0 * degree_I
        )
        self.log_gain_I = nn.Parameter(torch.from_numpy(log_gain_I))
        self.age_exponent = nn.Parameter(torch.tensor(0.5 if self.causal else 0.0), requires_grad=self.causal)
        self.register_buffer("centre", torch.tensor(_centre(data)))
        self._keep_histories(data.train)

    def users(self, batch: Batch) -> Tensor:
        """Return the pooled rest of each row's history, BD; part of it is hidden while training."""
        return self._before_B(batch) if self.causal else self._rest_B(batch)

    def items(self, item_N: Tensor) -> Tensor:
        """Return rows by code, ND."""
        return look_up(self.item_ID, item_N)

    def all_items(self) -> Tensor:
        """Return the item table, ID."""
        return self.item_ID

    def regularised(self, batch: Batch) -> list[Tensor]:
        """Return the batch's positives."""
        return [look_up(self.item_ID, batch.item_B)]

    def parameter_groups(self) -> Any:
        """Yield the table, and the few other parameters, which take larger steps and no decay."""
        yield {"params": [self.item_ID, self.nobody_D], "lr_scale": 1.0}
        small = [p for p in (self.log_gain_I, self.age_exponent) if p.requires_grad]
        yield {"params": small, "lr_scale": 5.0, "weight_decay": 0.0}

    @torch.no_grad()
    def export_users(self, histories: Histories) -> Tensor:
        """Return the pooled histories, UD, block by block."""
        blocks = []
        for low in range(0, histories.n_users, BLOCK):
            part = histories.rows(np.arange(low, min(low + BLOCK, histories.n_users)))
            blocks.append(self._export_block(part).float().cpu())
        return torch.cat(blocks) if blocks else torch.empty(0, self.settings.dim)

    def _build_table(self, data: TrainingData, context: Context) -> None:
        given, generator = self.settings, context.generator("history table")
        start = given.start
        if start == "auto":
            start = "spectrum" if data.task == "ranking" else "random"
        if start == "random" or context.restoring:
            self.item_ID = random_table(data.n_items, given.dim, std=given.std, generator=generator)
        else:
            _, item_IR = spectral_start(data, context, given.dim, exponent=given.exponent)
            self.item_ID = table_from(item_IR, given.dim, std=given.std, generator=generator)
        share_I = torch.from_numpy(data.item_count_I()).float()
        share_I /= share_I.sum().clamp_min(1.0)
        self.nobody_D = nn.Parameter(share_I @ self.item_ID.detach() + 1e-3 * given.std)

    def _keep_histories(self, train: Histories) -> None:
        self.register_buffer("offset_U1", torch.from_numpy(train.offset_U1), persistent=False)
        self.register_buffer("item_E", torch.from_numpy(train.item_E), persistent=False)
        self.register_buffer("weight_E", self._weights(train).to(self.item_ID.device), persistent=False)

    def _weights(self, histories: Histories) -> Tensor:
        mean, deviation = self.centre.tolist()
        value_E = (histories.value_E - mean) / deviation if deviation else 1.0
        return torch.from_numpy((histories.weight_E * value_E).astype(np.float32))

    def _rest_B(self, batch: Batch) -> Tensor:
        """Pool what is not hidden once per user, then take each row's own entry out."""
        user_G, group_B = batch.user_B.unique(return_inverse=True)
        start_G = self.offset_U1[user_G]
        index_H, begin_G = ragged(start_G, self.offset_U1[user_G + 1] - start_G)
        item_H = self.item_E[index_H]
        shown_H = self._shown(index_H, self.settings.mask)
        weight_H = self.weight_E[index_H] * self.log_gain_I[item_H].exp() * shown_H
        sum_GD = pool(self.item_ID, item_H, begin_G, weight_H)
        own_B = begin_G[group_B] + batch.row_B - start_G[group_B]
        own_BD = weight_H[own_B, None] * look_up(self.item_ID, batch.item_B)
        shown_G = torch.zeros_like(start_G).scatter_add_(
            0,
            torch.repeat_interleave(torch.arange(len(user_G), device=user_G.device), self._length(user_G)),
            shown_H.long(),
        )
        rest_B = shown_G[group_B] - shown_H[own_B].long()
        return torch.where((rest_B > 0)[:, None], sum_GD[group_B] - own_BD, self.nobody_D)

    def _before_B(self, batch: Batch) -> Tensor:
        """Pool what came before each row."""
        first_B = torch.maximum(self.offset_U1[batch.user_B], batch.row_B - self.settings.window)
        length_B = batch.row_B - first_B
        index_H, begin_B = ragged(first_B, length_B)
        age_H = torch.repeat_interleave(batch.row_B - 1, length_B) - index_H
        item_H = self.item_E[index_H]
        shown_H = self._shown(index_H, self.settings.dropout)
        weight_H = self.weight_E[index_H] * self.log_gain_I[item_H].exp() * shown_H
        weight_H = weight_H * recency(age_H, self.age_exponent)
        user_BD = pool(self.item_ID, item_H, begin_B, weight_H)
        return torch.where((length_B > 0)[:, None], user_BD, self.nobody_D)

    def _length(self, user_G: Tensor) -> Tensor:
        return self.offset_U1[user_G + 1] - self.offset_U1[user_G]

    def _shown(self, index_H: Tensor, hidden: float) -> Tensor:
        if not self.training or not hidden:
            return torch.ones(len(index_H), device=index_H.device)
        drawn_H = torch.rand(len(index_H), generator=self._generator)
        return (drawn_H >= hidden).float().to(index_H.device)

    def _export_block(self, histories: Histories) -> Tensor:
        device = self.item_ID.device
        offset_U1 = torch.from_numpy(histories.offset_U1).to(device)
        item_H = torch.from_numpy(histories.item_E).to(device)
        weight_H = self._weights(histories).to(device) * self.log_gain_I[item_H].exp()
        length_U = offset_U1.diff()
        if self.causal:
            age_H = torch.repeat_interleave(offset_U1[1:] - 1, length_U) - torch.arange(len(item_H), device=device)
            weight_H = weight_H * recency(age_H, self.age_exponent) * (age_H < self.settings.window)
        user_UD = pool(self.item_ID, item_H, offset_U1[:-1], weight_H)
        return torch.where((length_U > 0)[:, None], user_UD, self.nobody_D)


def _centre(data: TrainingData) -> tuple[float, float]:
    """Mean and deviation of the values that say like or dislike; (0, 0) where an interaction itself is the like."""
    value_E = data.train.value_E
    if data.task == "ranking" or not len(value_E):
        return 0.0, 0.0
    return float(value_E.mean()), float(max(value_E.std(), 1e-3))
