"""The spectrum of the interactions as features. U users, I items, R components."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from reccli.api import ComponentSettings, Context, Objective, Pretrained, TrainingData
from reccli.nn.spectral import Spectrum, spectrum

__all__ = ["Spectral"]


class Spectral(Objective):
    """Decompose the normalised interactions once, for encoders to start from.

    ::

        D_u^(-1/2) X D_i^(-1/2) ~ P S Q^T

    with `X` the weighted interactions and `D` the weights of all interactions of each user and item. The feature
    `spectral` of items is `Q` (orthonormal columns, zero rows for items without interactions), `spectral_users` is `P`.

    Args:
        settings.rank: Components, 64 to 512.
        settings.n_iter: Passes of the decomposition.

    Shapes:
        item features IR, user features UR.

    Notes:
        The first components of a larger rank are those of a smaller one, so encoders take as many as they are wide.
        Vectors are not scaled by popularity here: each encoder scales them as its own model needs.

    Paper:
        Shen et al.: How Powerful is Graph Convolution for Recommendation?, CIKM 2021,
        https://arxiv.org/abs/2108.07567. Halko, Martinsson, Tropp: Finding structure with randomness, SIAM Review
        53(2), 2011, https://arxiv.org/abs/0909.4061.

    Pairs well with:
        The encoders `mf`, `lightgcn` and `history`, which start from it.

    Example:
        >>> from reccli.api import Histories
        >>> objective = Spectral(Spectral.Settings(rank=1))
        >>> objective.setup(TrainingData(Histories.from_arrays([0, 0, 1], [0, 1, 1], n_users=2, n_items=2)), Context())
        >>> objective.finish().item_features["spectral"].shape
        (2, 1)
    """

    class Settings(ComponentSettings):
        """Settings of `spectral`."""

        rank: int = Field(default=256, ge=1, le=8192)
        """Components: 64 to 512; at least as many as the encoder that starts from them is wide."""
        n_iter: int = Field(default=3, ge=1, le=50)
        """Passes of the decomposition: 3, or more for digits that do not matter to rankings."""

    closed_form: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"graph"})

    def setup(self, data: TrainingData, context: Context) -> None:
        """Decompose."""
        generator = context.numpy_generator("spectral")
        self.found: Spectrum = spectrum(
            data.train, self.settings.rank, generator=generator, n_iter=self.settings.n_iter
        )

    def finish(self) -> Pretrained:
        """Return the singular vectors as features, and the singular values as weights."""
        found = self.found
        return Pretrained(
            item_features={"spectral": found.item_IR},
            user_features={"spectral_users": found.user_UR},
            weights={
                "value_R": torch.from_numpy(found.value_R),
                "degree_I": torch.from_numpy(found.degree_I),
                "degree_U": torch.from_numpy(found.degree_U),
            },
            metrics={
                "rank": len(found.value_R),
                "largest": float(found.value_R.max(initial=0.0)),
                "smallest": float(found.value_R.min(initial=1.0)),
            },
        )
