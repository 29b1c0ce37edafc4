"""What a split sees: rows sorted by user, time and item, and the shares of the parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from reccli.errors import ConfigError
from reccli.preparation.draws import UInt64, pair_draws

__all__ = ["HISTORY", "PARTS", "TEST", "TRAIN", "VALID", "Parts", "SplitRows", "part_counts", "shares"]

Parts = npt.NDArray[np.uint8]
Int64 = npt.NDArray[np.int64]
PARTS = ("train", "valid", "test", "history")
"""Names of the parts by code. `history` is what is known of a cold user: nothing trains on it."""
TRAIN, VALID, TEST, HISTORY = range(4)
ENOUGH = 3
"""Users with fewer rows stay in train whole: nothing could be both learnt and tested."""


@dataclass(frozen=True)
class SplitRows:
    """E rows of U users and I items, sorted by user, then time, then item.

    Args:
        user_E: User codes.
        item_E: Item codes.
        time_E: Times, or None where there is no order.
        user_digest_U: Digest of each user's id, for draws.
        item_digest_I: Digest of each item's id, for draws.
        seed: Seed of the draws.
    """

    user_E: npt.NDArray[np.uint32]
    item_E: npt.NDArray[np.uint32]
    time_E: Int64 | None
    user_digest_U: UInt64
    item_digest_I: UInt64
    seed: int

    def __len__(self) -> int:
        return len(self.user_E)

    @cached_property
    def length_U(self) -> Int64:
        """Rows of each user."""
        return np.bincount(self.user_E, minlength=len(self.user_digest_U)).astype(np.int64)

    @property
    def place_E(self) -> Int64:
        """Place of each row among its user's rows, from 0."""
        start = np.cumsum(self.length_U) - self.length_U
        return np.arange(len(self), dtype=np.int64) - start[self.user_E]

    def draw_E(self, purpose: str) -> UInt64:
        """64 random bits for each row, from its ids and the seed."""
        return pair_draws(self.user_digest_U[self.user_E], self.item_digest_I[self.item_E], self.seed, purpose)

    def drawn_order_E(self, purpose: str) -> Int64:
        """Row numbers user by user, each user's rows in a random order that depends on ids and seed alone."""
        bits = np.uint64(max(1, int(len(self.user_digest_U) - 1).bit_length()))
        key = (self.user_E.astype(np.uint64) << (np.uint64(64) - bits)) | (self.draw_E(purpose) >> bits)
        return np.argsort(key, kind="stable")

    def drawn_place_E(self, purpose: str) -> Int64:
        """Place of each row among its user's rows in that random order."""
        order = self.drawn_order_E(purpose)
        place = np.empty(len(self), np.int64)
        place[order] = self.place_E  # users are contiguous in both orders, so places line up
        return place


def shares(ratios: tuple[float, float, float]) -> tuple[float, float, float]:
    """Scale ratios to a sum of 1 (`8:1:1` is fine).

    Raises:
        ConfigError: One is negative or not finite, or nothing is left to train on.
    """
    if not all(np.isfinite(ratios)) or min(ratios) < 0 or ratios[0] <= 0:
        listed = ":".join(f"{ratio:g}" for ratio in ratios)
        raise ConfigError(
            f"ratios {listed} are not shares of train, validation and test", hint="give them as --ratios 0.8,0.1,0.1"
        )
    total = sum(ratios)
    return ratios[0] / total, ratios[1] / total, ratios[2] / total


def part_counts(length_U: Int64, share: float, *, least: int = ENOUGH) -> Int64:
    """Rows that a part takes of each user: the share rounded down, at least 1, and none of short users."""
    if share == 0:
        return np.zeros(len(length_U), np.int64)
    count = np.maximum(1, np.floor(length_U * share + 1e-9).astype(np.int64))
    return np.where(length_U < least, 0, count)
