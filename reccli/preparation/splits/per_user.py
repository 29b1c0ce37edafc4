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
    return _newest(rows, rows.place_E, valid_U, test_U)


def random(rows: SplitRows, ratios: tuple[float, float, float]) -> Parts:
    """Give a random share of each user's rows to test and to validation; users with fewer than 3 rows stay in train."""
    valid_U, test_U = part_counts(rows.length_U, ratios[1]), part_counts(rows.length_U, ratios[2])
    return _newest(rows, rows.drawn_place_E("split random"), valid_U, test_U)


def leave_one_out(rows: SplitRows) -> Parts:
    """Give each user's last row to test and the last but one to validation (at random where there is no time)."""
    one_U = (rows.length_U >= ENOUGH).astype(np.int64)
    place_E = rows.drawn_place_E("split leave-one-out") if rows.time_E is None else rows.place_E
    return _newest(rows, place_E, one_U, one_U)


def _newest(rows: SplitRows, place_E: Int64, valid_U: Int64, test_U: Int64) -> Parts:
    """Give the last places of each user to test, those before to validation."""
    first_test_U = rows.length_U - test_U
    part_E = np.full(len(rows), TRAIN, np.uint8)
    part_E[place_E >= (first_test_U - valid_U)[rows.user_E]] = VALID
    part_E[place_E >= first_test_U[rows.user_E]] = TEST
    return part_E
