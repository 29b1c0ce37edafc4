"""The one order of rows that everything relies on: by user, then time, then item."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reccli.preparation.draws import UInt64

if TYPE_CHECKING:
    import polars as pl

__all__ = ["sort_rows"]

KEY = "<key>"


def sort_rows(frame: pl.DataFrame, *, repeats: bool, step: int = 1) -> pl.DataFrame:
    """Sort by user, time and item, and where pairs repeat by all else that tells rows apart.

    Args:
        frame: Coded rows with `user`, `item` and `time` (all null, or nowhere).
        repeats: Whether some pair of user and item occurs more than once.
        step: A number that all times are multiples of (seconds are multiples of a million microseconds).
    """
    import polars as pl

    ties = [column for column in ("value", "weight", "part") if repeats and column in frame.columns]
    key = None if repeats or frame.is_empty() else _packed(frame, step)
    if key is None:
        return frame.sort("user", "time", "item", *ties)
    return frame.with_columns(pl.Series(KEY, key)).sort(KEY).drop(KEY)


def _packed(frame: pl.DataFrame, step: int) -> UInt64 | None:
    """Pack user, time and item into 64 bits, in this order of weight, where they fit: one column sorts much faster."""
    user, item = frame["user"].to_numpy(), frame["item"].to_numpy()
    item_bits = int(item.max()).bit_length()
    time_bits, time = 0, None
    if not frame["time"].null_count():
        time = frame["time"].to_numpy()
        low, high = int(time.min()), int(time.max())
        if high - low >= 1 << 62:
            return None
        time = (time - low) // step
        time_bits = ((high - low) // step).bit_length()
    if int(user.max()).bit_length() + time_bits + item_bits > 64:
        return None
    key: UInt64 = np.left_shift(user, time_bits + item_bits, dtype=np.uint64)
    if time is not None:
        time <<= item_bits
        key |= time.view(np.uint64)
    key |= item
    return key
