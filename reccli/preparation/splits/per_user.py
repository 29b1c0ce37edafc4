"""Splits that divide every user's rows: `temporal`, `random` and `leave-one-out`."""

from __future__ import annotations

import numpy as np

from reccli.errors import ConfigError
from reccli.preparation.splits.rows import ENOUGH, TEST, TRAIN, VALID, Int64, Parts, SplitRows, part_counts

__all__ = ["leave_one_out", "random", "temporal"]


def temporal(rows: SplitRows, ratios: tuple[float, float, float]) -> Parts:
    """Give the newest rows of each user to test, those before to validation; ties by item id.

    Raises:
        ConfigError: There is no time.
    """
    if rows.time_E is None:
        raise ConfigError(
            "split 'temporal' needs times, and there is no time column", hint="give --time-column, or --split random"
        )
    valid_U, test_U = part_counts(rows.length_U, ratios[1]), part_counts(rows.length_U, ratios[2])
    return _newest(rows, valid_U, test_U)


def random(rows: SplitRows, ratios: tuple[float, float, float]) -> Parts:
    """Give a random share of each user's rows to test and to validation; users with fewer than 3 rows stay in train."""
    valid_U, test_U = part_counts(rows.length_U, ratios[1]), part_counts(rows.length_U, ratios[2])
    return _newest(rows, valid_U, test_U, order_E=rows.drawn_order_E("split random"))


def leave_one_out(rows: SplitRows) -> Parts:
    """Give each user's last row to test and the last but one to validation (at random where there is no time)."""
    one_U = (rows.length_U >= ENOUGH).astype(np.int64)
    order_E = rows.drawn_order_E("split leave-one-out") if rows.time_E is None else None
    return _newest(rows, one_U, one_U, order_E=order_E)


def _newest(rows: SplitRows, valid_U: Int64, test_U: Int64, *, order_E: Int64 | None = None) -> Parts:
    """Give the last rows of each user to test, those before to validation, along the rows or another order of them."""
    length_U3 = np.stack([rows.length_U - valid_U - test_U, valid_U, test_U], axis=1)
    part_U3 = np.tile(np.array([TRAIN, VALID, TEST], np.uint8), len(length_U3))
    in_order_E = np.repeat(part_U3, length_U3.ravel())
    if order_E is None:
        return in_order_E
    part_E = np.empty(len(rows), np.uint8)
    part_E[order_E] = in_order_E
    return part_E
