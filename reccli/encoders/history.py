"""Users as the pooled vectors of their history.

U users, I items, E training interactions, B rows, G distinct users of a batch, H history entries of a batch,
N items asked for, D embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from reccli.api import Batch, Choices, ComponentSettings, Context, Encoder, Histories, Range, TrainingData
from reccli.nn.pooling import pool, ragged, recency
from reccli.nn.tables import first_vectors, item_table, look_up
from reccli.nn.user_blocks import by_blocks

__all__ = ["History"]

BLOCK = 8192
TINY = 1e-5


class History(Encoder):
    """Learn one vector for each item; a user is the weighted mean of the vectors of its history.

    ::

        item_i = v_i
        user = sum over history entries j of  c_j * v_j / sum of |c_j|        c_j = w_j * (1 + a_j)^(-r)

    with `v` a trained table (`item_ID`), `w_j` the interaction's weight (for ratings and labels times its value in
    standard deviations from the mean), `a_j` the entry's age in interactions and `r` a trained exponent
    (`age_exponent`; 0 without an order). Users without a history get a trained vector (`nobody_D`).

    Args:
        settings.dim: Length of the vectors, 64 to 512.
        settings.order: `set` pools the rest of the history, whatever its order; `causal` pools what came before;
            `auto` is causal where the split predicts the future.
        settings.mask: With `set`: share of the history that is hidden in an epoch, and trained on, 0.3 to 0.7; 0 hides
            and trains on each entry by itself.
        settings.dropout: With `causal`: share of history entries left out in a step, 0 to 0.5.
        settings.window: With `causal`: entries looked back upon, 20 to 200.
        settings.start: `spectrum`, `random`, or `auto`: random for ratings and labels, else the spectrum.
        settings.std: Typical entry of the table at the start, 0.05 to 0.2.
        settings.rows: With `causal`: training rows of a user in each epoch, drawn at random.

    Shapes:
        batch -> BD; items -> ND; histories -> UD.

    Notes:
        Serves users who come after training. A row's own positive is always left out of its user. With `set` a random
        half of each history is hidden in each epoch and predicted from the other half, so that all rows of a user share
        one vector: losses that make use of that (`infonce`, `softmax`) score once for each user, not for each row.

    Paper:
        Steck, Liang: Negative Interactions for Improved Collaborative Filtering, RecSys 2021,
        https://doi.org/10.1145/3460231.3474273 (linear autoencoders and their dropout); recency by a power law: Koren,
        Collaborative Filtering with Temporal Dynamics, KDD 2009, https://doi.org/10.1145/1557019.1557072.

    Pairs well with:
        `infonce` with `uniform` negatives, `softmax` on small catalogues. The auxiliary tasks `cl4srec` and `duorec`.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1], [0, 1, 1], n_users=2, n_items=2))
        >>> encoder = History(History.Settings(dim=4, start="random"))
        >>> encoder.setup(data, Context())
        >>> tuple(encoder.export_users(data.train).shape)
        (2, 4)
    """

    class Settings(ComponentSettings):
        """Settings of `history`."""

        dim: Annotated[int, Choices((64, 128, 256, 512))] = Field(default=256, ge=1)
        """Length of the vectors: 64 to 512."""
        order: Literal["auto", "causal", "set"] = "auto"
        """`causal` pools what came before a row, `set` all the rest; `auto` is causal where the future is predicted."""
        mask: Annotated[float, Range(0.3, 0.7)] = Field(default=0.5, ge=0, lt=1)
        """With `set`: share of a history hidden in an epoch; what is hidden is trained on."""
        dropout: Annotated[float, Range(0.0, 0.5)] = Field(default=0.2, ge=0, lt=1)
        """With `causal`: share of history entries left out in a step."""
        window: int = Field(default=100, ge=1)
        """With `causal`: entries looked back upon."""
        start: Literal["auto", "spectrum", "random"] = "auto"
        """What the table starts from; `auto` is the spectrum, and random for ratings and labels."""
        std: float = Field(default=0.1, gt=0)
        """Typical entry at the start."""
        rows: int = Field(default=32, ge=1)
        """With `causal`: training rows of a user in each epoch, drawn at random: heavy users cost no more than they
        teach."""

    needs: ClassVar[frozenset[str]] = frozenset({"history"})
    views: frozenset[str] = frozenset({"history"})
    grouped: ClassVar[bool] = True
    serves_new_users: bool = True
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

    offset_U1: Tensor
    item_E: Tensor
    weight_E: Tensor
    centre: Tensor

    def starts_from(self, offered: Mapping[str, int], task: str) -> frozenset[str]:
        """Return the vectors that the table starts from."""
        return first_vectors(offered, self.settings.dim, start=self.settings.start, task=task)

    def setup(self, data: TrainingData, context: Context) -> None:
        """Build the table and keep the training histories at hand."""
        self.n_items = data.n_items
        given = self.settings
        self.causal = self.reads_order = data.ordered if given.order == "auto" else given.order == "causal"
        self._context = context
        self._hidden_E: Tensor | None = None
        self.one_vector_per_user = not self.causal and given.mask > 0
        self.targets_per_user = given.rows if self.causal else None
        self._build_table(data, context)
        self.age_exponent = nn.Parameter(torch.tensor(0.5 if self.causal else 0.0), requires_grad=self.causal)
        self.register_buffer("centre", torch.tensor(_centre(data)))
        self._keep_histories(data.train)

    def begin_epoch(self, epoch: int) -> None:
        """Draw what is hidden in this epoch: a function of seed and epoch alone."""
        share = self.settings.dropout if self.causal else self.settings.mask
        generator = self._context.generator(f"history hidden in epoch {epoch}")
        drawn_E = torch.rand(len(self.item_E), generator=generator)
        self._hidden_E = (drawn_E < share).to(self.item_E.device) if share else None

    def rows_of_epoch(self) -> Tensor | None:
        """Return the hidden rows where rows are predicted from the others."""
        return self._hidden_E if self.one_vector_per_user else None

    def users(self, batch: Batch) -> Tensor:
        """Return the pooled rest of each row's history, BD; part of it is hidden while training."""
        return self._before_B(batch) if self.causal else self._rest_B(batch)

    def items(self, item_N: Tensor) -> Tensor:
        """Return rows by code, ND."""
        return look_up(self.item_ID, item_N)

    def all_items(self) -> Tensor:
        """Return the item table, ID."""
        return self.item_ID

    def adversarial_tables(self) -> list[nn.Parameter]:
        """Return the table of items."""
        return [self.item_ID]

    def regularised(self, batch: Batch) -> list[Tensor]:
        """Return the batch's positives."""
        return [look_up(self.item_ID, batch.item_B)]

    def parameter_groups(self) -> Any:
        """Yield the table, and the few other parameters, which take larger steps and no decay."""
        yield {"params": [self.item_ID, self.nobody_D], "lr_scale": 1.0}
        if self.age_exponent.requires_grad:
            yield {"params": [self.age_exponent], "lr_scale": 5.0, "weight_decay": 0.0}

    def export_users(self, histories: Histories) -> Tensor:
        """Return the pooled histories, UD, block by block."""
        return by_blocks(self._pooled, histories, BLOCK, self.settings.dim)

    def read(self, histories: Histories) -> Tensor:
        """Return pooled histories, RD; in training as large a share of the entries is hidden as from training rows."""
        share = self.settings.dropout if self.causal else self.settings.mask
        return self._pooled(histories, share if self.training else 0.0)

    def _build_table(self, data: TrainingData, context: Context) -> None:
        given = self.settings
        self.item_ID = item_table(data, context, given.dim, start=given.start, std=given.std, name="history")
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
        """Pool what is not hidden once per user, then take each row's own entry out where it is in."""
        user_G, group_B = torch.unique(batch.user_B, return_inverse=True)
        start_G = self.offset_U1[user_G]
        length_G = self.offset_U1[user_G + 1] - start_G
        index_H, begin_G = ragged(start_G, length_G)
        shown_H = self._shown_H(index_H)
        weight_H = self.weight_E[index_H] * shown_H
        sum_GD = pool(self.item_ID, self.item_E[index_H], begin_G, weight_H)
        mass_G = _sum(weight_H.abs(), begin_G)
        own_B = weight_H[begin_G[group_B] + batch.row_B - start_G[group_B]]
        rest_BD = sum_GD[group_B] - own_B[:, None] * look_up(self.item_ID, batch.item_B)
        return self._mean(rest_BD, mass_G[group_B] - own_B.abs())

    def _before_B(self, batch: Batch) -> Tensor:
        """Pool what came before each row."""
        first_B = torch.maximum(self.offset_U1[batch.user_B], batch.row_B - self.settings.window)
        length_B = batch.row_B - first_B
        index_H, begin_B = ragged(first_B, length_B)
        age_H = torch.repeat_interleave(batch.row_B - 1, length_B) - index_H
        weight_H = self.weight_E[index_H] * self._shown_H(index_H) * recency(age_H, self.age_exponent)
        return self._mean(pool(self.item_ID, self.item_E[index_H], begin_B, weight_H), _sum(weight_H.abs(), begin_B))

    def _mean(self, sum_BD: Tensor, mass_B: Tensor) -> Tensor:
        """Divide by the weights summed; nobody's vector where (but for rounding) there are none."""
        known_B1 = (mass_B > TINY)[:, None]
        return torch.where(known_B1, sum_BD / mass_B.clamp_min(TINY)[:, None], self.nobody_D)

    def _shown_H(self, index_H: Tensor) -> Tensor:
        if not self.training or self._hidden_E is None:
            return torch.ones(len(index_H), device=index_H.device)
        return (~self._hidden_E[index_H]).float()

    def _pooled(self, histories: Histories, hidden: float = 0.0) -> Tensor:
        device = self.item_ID.device
        offset_U1 = torch.from_numpy(histories.offset_U1).to(device)
        item_H = torch.from_numpy(histories.item_E).to(device)
        weight_H = self._weights(histories).to(device)
        length_U = offset_U1.diff()
        if self.causal:
            age_H = torch.repeat_interleave(offset_U1[1:] - 1, length_U) - torch.arange(len(item_H), device=device)
            weight_H = weight_H * recency(age_H, self.age_exponent) * (age_H < self.settings.window)
        if hidden:
            weight_H = weight_H * (torch.rand(len(weight_H), device=device) >= hidden)
        return self._mean(pool(self.item_ID, item_H, offset_U1[:-1], weight_H), _sum(weight_H.abs(), offset_U1[:-1]))


def _sum(value_H: Tensor, begin_B: Tensor) -> Tensor:
    """Sum each bag, B; 0 for an empty one."""
    return pool(value_H[:, None], torch.arange(len(value_H), device=value_H.device), begin_B, torch.ones_like(value_H))[
        :, 0
    ]


def _centre(data: TrainingData) -> tuple[float, float]:
    """Mean and deviation of the values that say like or dislike; (0, 0) where an interaction itself is the like."""
    value_E = data.train.value_E
    if data.task == "ranking" or not len(value_E):
        return 0.0, 0.0
    return float(value_E.mean()), float(max(value_E.std(), 1e-3))
