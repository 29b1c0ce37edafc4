"""Split at one or two points in time that hold for everybody: the only split without any look into the future."""

from __future__ import annotations

import numpy as np

from reccli.errors import ConfigError
from reccli.preparation.splits.rows import TEST, TRAIN, VALID, Parts, SplitRows

__all__ = ["cut_points", "global_time"]


def global_time(rows: SplitRows, valid_from: int, test_from: int) -> Parts:
    """Give rows from `test_from` on to test, those from `valid_from` on to validation, those before to train."""
    time_E = _times(rows)
    part_E = np.full(len(rows), TRAIN, np.uint8)
    part_E[time_E >= valid_from] = VALID
    part_E[time_E >= test_from] = TEST
    return part_E


def cut_points(
    rows: SplitRows, ratios: tuple[float, float, float], *, valid_from: int | None = None, test_from: int | None = None
) -> tuple[int, int]:
    """Choose the points that are not given so that the parts have their shares of the rows.

    Rows of one instant stay together, so shares are met up to ties.

    Returns:
        First time of validation and first time of test.

    Raises:
        ConfigError: There is no time, the points are in the wrong order, or nothing is left to train on.
    """
    time_E = np.sort(_times(rows))
    train, valid, test = ratios
    if test_from is None:
        later = time_E if valid_from is None else time_E[time_E >= valid_from]
        before = train + valid if valid_from is None else valid / ((valid + test) or 1.0)
        test_from = _quantile(later, before)
    if valid_from is None:
        valid_from = _quantile(time_E[time_E < test_from], train / (train + valid))
    if valid_from > test_from:
        raise ConfigError("--valid-from lies after --test-from", hint="validation comes before test")
    if not (time_E < valid_from).any():
        raise ConfigError("no interaction lies before the start of validation", hint="choose a later --valid-from")
    return valid_from, test_from


def _quantile(sorted_time: np.ndarray[tuple[int], np.dtype[np.int64]], share: float) -> int:
    """Return the time before which a share of the rows lies."""
    if not len(sorted_time):
        return np.iinfo(np.int64).max
    place = int(len(sorted_time) * share + 1e-9)
    return int(sorted_time[place]) if place < len(sorted_time) else int(sorted_time[-1]) + 1


def _times(rows: SplitRows) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    if rows.time_E is None:
        raise ConfigError(
            "split 'global-time' needs times, and there is no time column",
            hint="give --time-column, or --split random",
        )
    return rows.time_E
