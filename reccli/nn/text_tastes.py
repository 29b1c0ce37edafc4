"""Tastes of users over texts: what `reccli.nn.rating_tastes` learns from features of texts.

U users, I items, B batch rows, N items asked for, T text vector, F features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reccli.api.batch import Batch
from reccli.api.component import Context
from reccli.api.data import Histories
from reccli.nn.rating_tastes import RatingTastes
from reccli.nn.text_features import TextFeatures

__all__ = ["TextTastes"]

USER = 2 / 9
TASTE = 1 / 3


class TextTastes(nn.Module):
    """Ratings told by texts, in closed form.

    ::

        rating_ui - m = w_u . [(2/9)^(1/2), (1/3)^(1/2) f(text_i)] + b_i

    with `f` the features of `reccli.nn.text_features` and `w_u`, `b_i` those of `reccli.nn.rating_tastes`. The two
    numbers are the variances, before anything is learned, of users' biases and of tastes.

    It holds nothing before `fit`, or before a state is loaded.

    Args:
        train: Training interactions, whose values are ratings.
    """

    def __init__(self, train: Histories) -> None:
        super().__init__()
        self.features, self.regressions = TextFeatures(), RatingTastes(train)

    def fit(self, base_IT: Tensor, texts: Sequence[str], *, dim: int, context: Context) -> float:
        """Learn from the training ratings; return the root mean squared error of rows without their own rating.

        Args:
            base_IT: Centred text vectors of the catalogue.
            texts: Their texts.
            dim: Most features.
            context: Draws landmarks, and users where there are very many.
        """
        train = self.regressions.train_histories
        warm_I = torch.zeros(train.n_items, dtype=torch.bool)
        warm_I[torch.from_numpy(train.item_E)] = True
        self.features.fit(base_IT, texts, warm_I, dim, context.numpy_generator("tastes texts"))
        return self.regressions.fit(self._features(base_IT, texts), context.numpy_generator("tastes users"))

    def of_rows(self, batch: Batch) -> Tensor:
        """Return users of a training batch without the row's own rating, B(F+2)."""
        return self.regressions.of_rows(batch)

    def of_histories(self, histories: Histories) -> Tensor:
        """Return users given by any history, U(F+2)."""
        return self.regressions.of_histories(histories)

    def of_items(self, item_N: Tensor) -> Tensor:
        """Return items of the catalogue, N(F+2)."""
        return self.regressions.of_items(item_N)

    def of_texts(self, base_NT: Tensor, texts: Sequence[str]) -> Tensor:
        """Return items that nobody rated by their texts, N(F+2), given with their centred text vectors."""
        if not self.regressions.fitted:
            return base_NT.new_zeros(len(base_NT), 1)
        return self.regressions.of_features(self._features(base_NT, texts))

    def _features(self, base_NT: Tensor, texts: Sequence[str]) -> Tensor:
        told_NF = TASTE**0.5 * self.features(base_NT, texts)
        return torch.cat([torch.full_like(told_NF[:, :1], USER**0.5), told_NF], dim=1)
