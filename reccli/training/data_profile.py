"""What a recipe looks at: how much data there is, and what it knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reccli.api.data import TrainingData

__all__ = ["DataProfile", "profile_of"]


@dataclass(frozen=True)
class DataProfile:
    """Sizes and kinds of the training data.

    Args:
        task: `ranking`, `rating` or `ctr`.
        users: Users with training rows.
        items: Items with training rows.
        rows: Training rows.
        ordered: Whether rows have a real order.
        text: Share of items with a text.
        repeats: Share of rows whose user has met the item before.
    """

    task: str
    users: int
    items: int
    rows: int
    ordered: bool
    text: float
    repeats: float

    @property
    def density(self) -> float:
        """Share of the pairs of users and items that are there."""
        return self.rows / max(self.users * self.items, 1)

    @property
    def line(self) -> str:
        """One line for people."""
        told = f"{self.text:.0%} of items with text" if self.text else "no texts"
        order = "in order" if self.ordered else "without order"
        again = f", {self.repeats:.0%} of rows repeat" if self.repeats else ""
        return (
            f"data: task {self.task}, {self.users:,} users, {self.items:,} items, {self.rows:,} rows {order},"
            f" density {self.density:.2%}, {told}{again}"
        )


def profile_of(data: TrainingData) -> DataProfile:
    """Return the profile of training data."""
    train = data.train
    texts = data.item_text_I or ()
    pairs = np.unique(train.user_E * np.int64(train.n_items) + train.item_E)
    return DataProfile(
        task=data.task,
        users=int(np.count_nonzero(train.length_U)),
        items=len(np.unique(train.item_E)),
        rows=len(train),
        ordered=data.ordered,
        text=sum(bool(text.strip()) for text in texts) / max(len(texts), 1),
        repeats=1.0 - len(pairs) / len(train) if len(train) else 0.0,
    )
