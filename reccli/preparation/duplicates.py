"""Several rows of one user and one item, made one row by a named policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reccli.preparation.draws import UInt64

if TYPE_CHECKING:
    import polars as pl

__all__ = ["POLICIES", "has_repeats", "merge_repeats", "repeated_rows"]

POLICIES = ("last", "first", "mean", "sum", "max")
"""Policies that leave one row; `keep` and `error` are the caller's."""


def has_repeats(frame: pl.DataFrame) -> bool:
    """Whether some pair of user and item occurs more than once."""
    user, item = frame["user"].to_numpy(), frame["item"].to_numpy()
    width = int(item.max()) + 1 if len(item) else 0
    small = len(item) and (int(user.max()) + 1) * width < 1 << 32  # then half the memory has to be sorted
    pair = np.multiply(user, width, dtype=np.uint32 if small else np.uint64)
    pair += item
    pair.sort()
    return bool((pair[1:] == pair[:-1]).any())


def repeated_rows(frame: pl.DataFrame) -> tuple[int, int]:
    """Return the row numbers of the earliest repeated row and of the earlier row that it repeats."""
    import polars as pl

    twice = frame.filter(pl.Series(_pair(frame)).is_duplicated()).sort("row")
    later = twice.filter(~twice.select(pl.struct("user", "item").is_first_distinct()).to_series()).row(0, named=True)
    first = twice.filter((pl.col("user") == later["user"]) & (pl.col("item") == later["item"]))["row"][0]
    return int(later["row"]), int(first)


def merge_repeats(frame: pl.DataFrame, policy: str) -> tuple[pl.DataFrame, pl.Series]:
    """Leave one row per pair of user and item.

    `first` and `last` are by time, then by row number; `mean`, `sum` and `max` are of value and of weight, with the
    newest time. For these three, rows are added up in an order that does not depend on the file's.

    Args:
        frame: Coded rows.
        policy: One of `POLICIES`.

    Returns:
        The rows left (in no particular order), and the numbers of the rows that are gone.
    """
    import polars as pl

    repeated = pl.Series(_pair(frame)).is_duplicated()
    several = frame.filter(repeated)
    numbers = [column for column in ("value", "weight") if column in frame.columns]
    ties = ["row"] if policy in ("first", "last") else [*numbers, "row"]
    ordered = several.sort("user", "item", "time", *ties).with_columns(pl.col(*numbers).cast(pl.Float64))
    rest = [column for column in frame.columns if column not in ("user", "item")]
    if policy in ("first", "last"):
        merged = [getattr(pl.col(column), policy)() for column in rest]
    else:
        merged = [getattr(pl.col(column), policy)() if column in numbers else pl.col(column).last() for column in rest]
    single = ordered.group_by("user", "item", maintain_order=True).agg(merged)
    single = single.select(frame.columns).cast(frame.schema)
    gone = several["row"].filter(~several["row"].is_in(single["row"].implode()))
    return pl.concat([frame.filter(~repeated), single]), gone


def _pair(frame: pl.DataFrame) -> UInt64:
    pair: UInt64 = np.left_shift(frame["user"].to_numpy(), 32, dtype=np.uint64)
    pair |= frame["item"].to_numpy()
    return pair
