"""Metrics: pinned definitions over plain arrays, without torch.

U users, K list length, I items, R rows.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from reccli.api.component import Component

__all__ = ["CatalogueMetric", "LabelMetric", "Metric", "RankingMetric", "RatingMetric"]

Float64 = npt.NDArray[np.float64]


class Metric(Component):
    """Base of all metrics; the registered name is the metric's name in artifacts and gates."""

    higher_is_better: ClassVar[bool | None] = True
    """Which way is better, for early stopping and choices; None where neither is (a ratio that should be 1)."""


class RankingMetric(Metric):
    """A value per user from the hits of a top-K list. Averages are over users with at least one relevant item."""

    @abstractmethod
    def per_user(self, hit_UK: npt.NDArray[np.bool_], n_relevant_U: npt.NDArray[np.int64], k: int) -> Float64:
        """Return one value per user, float64.

        Args:
            hit_UK: Whether the item at each rank (best first, at least k columns; a missing rank is False) is relevant.
            n_relevant_U: Relevant items of each user, at least 1.
            k: Cut-off.
        """


class RatingMetric(Metric):
    """A scalar from predicted and true ratings."""

    @abstractmethod
    def value(self, target_R: Float64, prediction_R: Float64) -> float:
        """Return the metric over R rows."""


class LabelMetric(Metric):
    """A scalar from 0/1 labels and predicted probabilities."""

    @abstractmethod
    def value(self, label_R: Float64, probability_R: Float64) -> float:
        """Return the metric over R rows."""


class CatalogueMetric(Metric):
    """A scalar over all users' lists together (coverage, Gini, novelty)."""

    @abstractmethod
    def value(
        self, item_UK: npt.NDArray[np.int64], train_count_I: npt.NDArray[np.int64], n_train_users: int, k: int
    ) -> float:
        """Return the metric over the first k columns.

        Args:
            item_UK: Item codes, best first, -1 where a list is shorter.
            train_count_I: Training interactions of each catalogue item.
            n_train_users: Users with training interactions.
            k: Cut-off.
        """
