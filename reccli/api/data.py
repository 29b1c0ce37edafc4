"""The data that encoders, samplers and objectives see: histories in CSR form, item texts, features.

Shape suffixes here and everywhere: U users, I items, E interactions, B batch rows, N negatives, L history length,
D embedding, K list length; U1 is U + 1 (CSR offsets).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Histories", "TrainingData"]

Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Histories:
    """The interactions of U users as CSR rows, each row oldest first (ties by item code).

    Args:
        offset_U1: Row boundaries, int64, `offset[u]:offset[u + 1]` is user u.
        item_E: Item codes, int64.
        value_E: Ratings, counts or labels on the data's own scale (1.0 where the data has none), float32.
        weight_E: Confidence of an interaction (behaviour weight; 1.0 where the data has none), float32.
        time_E: Microseconds since 1970 (0 everywhere where the data has none), int64.
        n_items: Size of the catalogue.
    """

    offset_U1: Int64
    item_E: Int64
    value_E: Float32
    weight_E: Float32
    time_E: Int64
    n_items: int

    @property
    def n_users(self) -> int:
        """Number of rows, empty ones included."""
        return len(self.offset_U1) - 1

    def __len__(self) -> int:
        return len(self.item_E)

    @property
    def length_U(self) -> Int64:
        """Interactions of each user."""
        return np.diff(self.offset_U1)

    @property
    def user_E(self) -> Int64:
        """Row number of each interaction."""
        return np.repeat(np.arange(self.n_users, dtype=np.int64), self.length_U)

    @classmethod
    def from_arrays(
        cls,
        user_E: npt.ArrayLike,
        item_E: npt.ArrayLike,
        *,
        n_users: int,
        n_items: int,
        value_E: npt.ArrayLike | None = None,
        weight_E: npt.ArrayLike | None = None,
        time_E: npt.ArrayLike | None = None,
    ) -> Histories:
        """Build from unsorted columns; rows are ordered by user, time, item.

        Raises:
            ValueError: A code is outside its range.
        """
        user = np.asarray(user_E, dtype=np.int64)
        item = np.asarray(item_E, dtype=np.int64)
        if len(user) and (user.min() < 0 or user.max() >= n_users or item.min() < 0 or item.max() >= n_items):
            raise ValueError("user or item code outside the catalogue")
        value = np.ones(len(user), np.float32) if value_E is None else np.asarray(value_E, np.float32)
        weight = np.ones(len(user), np.float32) if weight_E is None else np.asarray(weight_E, np.float32)
        time = np.zeros(len(user), np.int64) if time_E is None else np.asarray(time_E, np.int64)
        order = np.lexsort((item, time, user))
        offset = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=n_users))]).astype(np.int64)
        return cls(offset, item[order], value[order], weight[order], time[order], n_items)

    def rows(self, user_B: npt.ArrayLike) -> Histories:
        """Return the histories of some users, in the order given (a user may come twice)."""
        user = np.asarray(user_B, dtype=np.int64)
        length = self.length_U[user]
        offset = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        index = np.repeat(self.offset_U1[user] - offset[:-1], length) + np.arange(offset[-1])
        return Histories(
            offset,
            self.item_E[index],
            self.value_E[index],
            self.weight_E[index],
            self.time_E[index],
            self.n_items,
        )

    def to_scipy(self, data: str = "weight") -> csr_matrix:
        """Return the U x I matrix of `weight`, `value` or `ones` (repeated pairs add up), float32; it owns its arrays.

        SciPy sorts entries in place (`sum_duplicates`), which must not reorder the weights of the histories.
        """
        from scipy.sparse import csr_matrix

        filling = {"weight": self.weight_E, "value": self.value_E, "ones": np.ones(len(self), np.float32)}[data]
        return csr_matrix((filling, self.item_E, self.offset_U1), shape=(self.n_users, self.n_items), copy=True)


@dataclass(frozen=True)
class TrainingData:
    """Everything that a component may learn from: the train part alone, never validation or test.

    Args:
        train: Training histories of all users (a user without training rows has an empty one).
        item_text_I: One text per item (empty string where there is none), or None where no text exists at all.
        user_text_U: One text per user, or None.
        ordered: Whether `train.time_E` is a real order.
        task: `ranking` (an interaction is a positive), `rating` (predict `value`) or `ctr` (predict a 0/1 `value`).
        features: Pre-trained arrays by name, each of I or U rows, as `spectral_items`: ID float32.
        triples_T3: Knowledge-graph triples (head item code, relation code, tail code), or None.
        item_attributes: Attribute columns by name, each of I rows, for components that want them typed.
    """

    train: Histories
    item_text_I: Sequence[str] | None = None
    user_text_U: Sequence[str] | None = None
    ordered: bool = False
    task: str = "ranking"
    features: Mapping[str, Float32] = field(default_factory=dict)
    triples_T3: Int64 | None = None
    item_attributes: Mapping[str, Sequence[object]] = field(default_factory=dict)

    @property
    def n_users(self) -> int:
        """Users, with those who have no training rows."""
        return self.train.n_users

    @property
    def n_items(self) -> int:
        """Items of the catalogue, with those nobody has met."""
        return self.train.n_items

    def item_count_I(self) -> Int64:
        """Training interactions of each item; 0 for cold ones."""
        return np.bincount(self.train.item_E, minlength=self.n_items).astype(np.int64)

    def provides(self) -> frozenset[str]:
        """Names of `Component.needs` that this data meets."""
        found = {"history", "graph"}
        if self.item_text_I is not None:
            found.add("text")
        if self.ordered:
            found.add("time")
        if self.task == "rating":
            found.add("ratings")
        if self.task == "ctr":
            found.add("labels")
        if self.triples_T3 is not None:
            found.add("triples")
        return frozenset(found)
