"""Ratings by tastes over texts: a closed form shared by all users, and what the set of rated items adds.

B batch rows, N items asked for, U users, I items, T text vector, F features, K numbers of the trained part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from reccli.api import Batch, Choices, Context, Encoder, Histories, TrainingData
from reccli.errors import ConfigError
from reccli.nn.text_folder import model_label
from reccli.nn.text_items import item_texts
from reccli.nn.text_pooling import interaction_weights, pair_weights, pool_histories
from reccli.nn.text_reading import TextReading, model_start, open_reading, reading_determinants
from reccli.nn.text_table import TextTable
from reccli.nn.text_tastes import TextTastes

__all__ = ["Tastes"]


class Tastes(Encoder):
    """Learn what users like in texts from how they rated other texts, by one regression a user with a common prior.

    ::

        rating_ui = m + w_u . f(text_i) + b_i + (h_u C) . (t_i B)
        h_u = mean of t_j over the items j that the user rated, whatever the rating

    with `f` the features of texts (`reccli.nn.text_features`), `w_u` the user's tastes, in closed form from the other
    ratings (`reccli.nn.rating_tastes`), `b_i` the item's bias, and `t` the frozen, centred text vectors. `B` and `C`
    are trained, from `C = 0`: what a user chose to rate says something too. A row's own rating reaches neither `w_u`
    nor `h_u`.

    Args:
        settings.dim: F, 128 to 512; time grows with its square, and for users with few ratings with its cube.
        settings.chosen: K, 16 to 128; 0 for none.

    Shapes:
        users(batch) BD; items(codes) ND, D = F + 2 + K.

    Raises:
        ConfigError: The task is not rating.
        MissingExtraError, OfflineError, DamagedArtifactError: As for the encoder `bert`.

    Notes:
        It learns no biases beside its vectors (`own_biases`). Everything but `B` and `C` is there before the first
        step. New users are served by their histories, new items by their texts.

    Paper:
        Yu et al.: Large-scale Collaborative Prediction Using a Nonparametric Random Effects Model, ICML 2009,
        https://doi.org/10.1145/1553374.1553525 (tastes). Koren: Factorization Meets the Neighborhood, KDD 2008,
        https://doi.org/10.1145/1401890.1401944, equation 15 (what was chosen for rating: SVD++).

    Pairs well with:
        `mse`; similarity `dot`, which the closed form is made for.

    Example:
        >>> Tastes.Settings(dim=128).chosen
        64
    """

    class Settings(TextReading):
        """Settings of `tastes`."""

        dim: Annotated[int, Choices((128, 256, 384))] = Field(default=256, ge=1)
        """Features of a text: 128 to 512."""
        chosen: Annotated[int, Choices((0, 32, 64, 128))] = Field(default=64, ge=0)
        """Numbers of the part that reads which items a user chose to rate: 16 to 128; 0 for none."""

    needs: ClassVar[frozenset[str]] = frozenset({"history", "ratings"})
    grouped: ClassVar[bool] = True
    own_biases: bool = True
    serves_new_users: bool = True
    serves_new_items: bool = True
    default_loss: ClassVar[str] = "infonce"  # of a ranking task beside the ratings
    default_sampler: ClassVar[str] = "uniform"
    defaults: ClassVar[dict[str, Any]] = {
        "similarity": "dot",
        "learning_rate": 1e-3,
        "epochs": 10,
        "batch_size": 4096,
        "patience": 2,
        "loss.temperature": 1.0,
    }

    own_E: Tensor
    sum_UT: Tensor
    total_U: Tensor

    def starts_from(self, offered: Mapping[str, int], task: str) -> frozenset[str]:
        """Return the text model, where none is named."""
        return model_start(self.settings.path, offered)

    def setup(self, data: TrainingData, context: Context) -> None:
        """Open the text model (or the cache of what it said), and solve the closed form."""
        if data.task != "rating":
            raise ConfigError("encoder 'tastes' predicts ratings", hint="--task rating, or --encoder bert")
        self.n_items = data.n_items
        self._read_texts(data, context)
        self._keep_histories(data.train)
        self.tastes = TextTastes(data.train)
        if not context.restoring:
            error = self.tastes.fit(self.table.base_ID, self.texts, dim=self.settings.dim, context=context)
            context.say(f"tastes: {self.label}; rmse {error:.4f} on training rows, each without its own rating")
        size, chosen = self.table.size, self.settings.chosen
        generator = context.generator("tastes chosen")
        self.item_TK = nn.Parameter(torch.randn(size, chosen, generator=generator) * size**-0.5)
        self.user_TK = nn.Parameter(torch.zeros(size, chosen))

    def determinants(self, context: Context) -> dict[str, str]:
        """Return the digest of the text model's folder, and how its tokens are pooled."""
        return reading_determinants(self.settings.path, self.settings.pooling, context)

    def users(self, batch: Batch) -> Tensor:
        """Return each row's user without the row's own rating, BD."""
        own_B1 = self.own_E[batch.row_B].unsqueeze(1)
        rest_BT = self.sum_UT[batch.user_B] - own_B1 * self.table.base_ID[batch.item_B]
        mean_BT = _mean(rest_BT, self.total_U[batch.user_B].unsqueeze(1) - own_B1)
        return torch.cat([self.tastes.of_rows(batch), mean_BT @ self.user_TK], dim=1)

    def items(self, item_N: Tensor) -> Tensor:
        """Return item vectors, ND."""
        return torch.cat([self.tastes.of_items(item_N), self.table.base_ID[item_N] @ self.item_TK], dim=1)

    def parameter_groups(self) -> Iterator[dict[str, Any]]:
        """Yield what is trained."""
        yield {"params": [self.item_TK, self.user_TK], "lr_scale": 1.0}

    @torch.no_grad()
    def export_users(self, histories: Histories) -> Tensor:
        """Return user vectors from any histories, UD on the CPU."""
        weight_E = interaction_weights(histories)
        total_U = np.bincount(histories.user_E, weights=weight_E, minlength=histories.n_users).astype(np.float32)
        sum_UT = pool_histories(histories, weight_E, self.table.base_ID)
        mean_UT = _mean(sum_UT, torch.from_numpy(total_U).to(sum_UT.device).unsqueeze(1))
        return torch.cat([self.tastes.of_histories(histories), mean_UT @ self.user_TK], dim=1).float().cpu()

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Return vectors of items given by text alone, ND on the CPU."""
        base_NT = self.table.encode(self.usage.items(texts))
        return torch.cat([self.tastes.of_texts(base_NT, texts), base_NT @ self.item_TK], dim=1).float().cpu()

    def warm_items(self) -> Tensor:
        """Return all items: texts stand for those nobody rated."""
        return torch.ones(self.n_items, dtype=torch.bool)

    def _read_texts(self, data: TrainingData, context: Context) -> None:
        source, self.usage = open_reading(self.settings, context)
        self.label = f"regressions over texts by {model_label(source.folder)} and their words"
        self.texts = item_texts(data, context)
        warm_I = torch.from_numpy(data.item_count_I() > 0)
        self.table = TextTable(source, self.usage.items(self.texts), warm_I, restoring=context.restoring)

    def _keep_histories(self, train: Histories) -> None:
        weight_E = interaction_weights(train)
        total_U = np.bincount(train.user_E, weights=weight_E, minlength=train.n_users).astype(np.float32)
        self.register_buffer("total_U", torch.from_numpy(total_U), persistent=False)
        self.register_buffer("own_E", torch.from_numpy(pair_weights(train, weight_E)), persistent=False)
        sum_UT = pool_histories(train, weight_E, self.table.base_ID)
        self.register_buffer("sum_UT", sum_UT, persistent=False)


def _mean(sum_BT: Tensor, weight_B1: Tensor) -> Tensor:
    return torch.where(weight_B1 > 1e-6, sum_BT / weight_B1.clamp_min(1e-6), torch.zeros_like(sum_BT))
