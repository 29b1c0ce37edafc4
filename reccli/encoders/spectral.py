"""The spectrum of the interactions as a recommender. U users, I items, R components, E interactions, K list length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from reccli.api import Choices, ComponentSettings, Context, Encoder, Histories, TrainingData
from reccli.nn.held_out import hold_out, ndcg
from reccli.nn.spectral import Spectrum, fold_in, item_scale, spectrum

__all__ = ["Spectral"]

RANKS = (32, 64, 128, 256, 512, 1024)
EXPONENTS = (0.2, 0.3, 0.4, 0.5, 0.6)
CHOOSING_USERS = 4096


class Spectral(Encoder):
    """Keep the smooth part of the interactions: an ideal low-pass filter on the user-item graph, in closed form.

    ::

        N = D_u^(-1/2) X D_i^(-1/2) ~ P S Q^T
        user = sum over the history of d_i^(-b) q_i        item_i = d_i^b q_i

    with `X` the weighted interactions, `d_i` (`degree_I`) the weight of item i's interactions, `q_i` the item's row of
    the right singular vectors, and `b` the exponent.

    Args:
        settings.rank: Components, 64 to 1,024, or `auto`.
        settings.exponent: How strongly popularity is taken out of histories and put into items, 0 to 0.6, or `auto`.
        settings.n_iter: Passes of the decomposition.

    Shapes:
        histories -> UR; items -> IR.

    Notes:
        Nothing is trained, and users who come later are served from their history. `auto` holds a tenth of the training
        rows out (the newest where there is an order), decomposes the rest once, compares truncations and exponents on
        the part held out by NDCG@20, and then decomposes all training rows; validation and test parts are never seen.
        Items without interactions get zeros.

    Paper:
        Shen, Wu, Zhang, Shan, Zhang, Letaief, Li: How Powerful is Graph Convolution for Recommendation?, CIKM 2021,
        https://arxiv.org/abs/2108.07567, section 4 (the ideal low-pass part).

    Pairs well with:
        Nothing: it has no loss. Its vectors are the start of `mf`, `lightgcn` and `history`.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1, 1], [0, 1, 1, 2], n_users=2, n_items=3))
        >>> encoder = Spectral(Spectral.Settings(rank=1, exponent=0.5))
        >>> encoder.setup(data, Context())
        >>> tuple(encoder.export_items().shape), tuple(encoder.export_users(data.train).shape)
        ((3, 1), (2, 1))
    """

    class Settings(ComponentSettings):
        """Settings of `spectral`."""

        rank: Annotated[int | Literal["auto"], Choices(("auto", 64, 128, 256, 512))] = "auto"
        """Components: 64 to 1,024, or `auto` to choose among 32, 64, ... 1,024 on held-out training rows."""
        exponent: Annotated[float | Literal["auto"], Choices(("auto", 0.0, 0.2, 0.4, 0.6))] = "auto"
        """Power of popularity between history and item: 0 to 0.6, or `auto` to choose like the rank."""
        n_iter: int = Field(default=3, ge=1, le=50)
        """Passes of the decomposition: 3, or more for digits that do not matter to rankings."""

    trainable: ClassVar[bool] = False
    serves_new_users: bool = True
    item_IR: Tensor
    history_IR: Tensor

    def setup(self, data: TrainingData, context: Context) -> None:
        """Choose what is to be chosen, then decompose all training rows."""
        self.n_items = data.n_items
        if context.restoring:
            self._keep(np.zeros((data.n_items, 1), np.float32), np.zeros((data.n_items, 1), np.float32))
            return
        rank, exponent = self.settings.rank, self.settings.exponent
        if rank == "auto" or exponent == "auto":
            rank, exponent = self._choose(data, context)
        found = spectrum(data.train, rank, generator=context.numpy_generator("spectral"), n_iter=self.settings.n_iter)
        self._keep(*_vectors(found, rank, exponent))

    def items(self, item_N: Tensor) -> Tensor:
        """Return item vectors, NR."""
        return self.item_IR[item_N]

    def export_users(self, histories: Histories) -> Tensor:
        """Return the sum of each history's vectors, UR."""
        return torch.from_numpy(fold_in(histories, self.history_IR.cpu().numpy()))

    def warm_items(self) -> Tensor:
        """Return which items have been met in training."""
        return self.item_IR.cpu().square().sum(1) > 0

    def _keep(self, item_IR: np.ndarray, history_IR: np.ndarray) -> None:
        self.register_buffer("item_IR", torch.from_numpy(item_IR))
        self.register_buffer("history_IR", torch.from_numpy(history_IR))

    def _choose(self, data: TrainingData, context: Context) -> tuple[int, float]:
        most = max(1, min(data.n_users, data.n_items) - 1)
        given = self.settings
        ranks = _up_to(RANKS, most) if given.rank == "auto" else [min(given.rank, most)]
        exponents: Sequence[float] = EXPONENTS if given.exponent == "auto" else [given.exponent]
        kept, held = hold_out(data, 0.1, context.numpy_generator("spectral held out"))
        user_B = np.flatnonzero((held.length_U > 0) & (kept.length_U > 0))
        if not len(user_B):
            return ranks[len(ranks) // 2], exponents[len(exponents) // 2]
        if len(user_B) > CHOOSING_USERS:
            user_B = context.numpy_generator("spectral users").choice(user_B, CHOOSING_USERS, replace=False)
            user_B.sort()
        found = spectrum(kept, ranks[-1], generator=context.numpy_generator("spectral"), n_iter=given.n_iter)
        kept, held = kept.rows(user_B), held.rows(user_B)
        best = (-1.0, ranks[0], exponents[0])
        for exponent in exponents:
            item_IR, history_IR = _vectors(found, ranks[-1], exponent)
            user_BR = fold_in(kept, history_IR)
            for rank, value in zip(ranks, ndcg(user_BR, item_IR, ranks, kept, held, k=20), strict=True):
                best = max(best, (value, rank, exponent), key=lambda entry: entry[0])
        context.say(
            f"spectral: rank {best[1]}, exponent {best[2]} chosen (ndcg@20 {best[0]:.4f} on held-out training rows)"
        )
        return best[1], best[2]


def _up_to(ranks: Sequence[int], most: int) -> list[int]:
    return [*[rank for rank in ranks if rank < most], min(most, ranks[-1])]


def _vectors(found: Spectrum, rank: int, exponent: float) -> tuple[np.ndarray, np.ndarray]:
    item_IR = found.item_IR[:, :rank]
    scale_I1 = item_scale(found.degree_I, exponent)[:, None]
    inverse_I1 = item_scale(found.degree_I, -exponent)[:, None]
    return np.ascontiguousarray(scale_I1 * item_IR), np.ascontiguousarray(inverse_I1 * item_IR)
