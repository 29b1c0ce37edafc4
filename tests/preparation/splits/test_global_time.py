"""Global time: nothing before a cut is later than what comes after it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reccli.errors import ConfigError
from reccli.preparation.splits import SplitRows, cut_points, global_time
from reccli.preparation.splits.rows import TEST, TRAIN, VALID

RATIOS = (0.8, 0.1, 0.1)


def world(time: list[int] | None, n: int = 0) -> SplitRows:
    n = n if time is None else len(time)
    digest = np.zeros(1, np.uint64)
    moments = None if time is None else np.array(time, np.int64)
    return SplitRows(np.zeros(n, np.uint32), np.zeros(n, np.uint32), moments, digest, digest, 0)


def test_cuts_by_hand() -> None:
    rows = world(list(range(100)))
    assert cut_points(rows, RATIOS) == (80, 90)
    part = global_time(rows, 80, 90)
    assert np.bincount(part).tolist() == [80, 10, 10]


def test_one_point_given() -> None:
    rows = world(list(range(100)))
    assert cut_points(rows, RATIOS, test_from=50) == (44, 50)  # 8/9 of what lies before
    assert cut_points(rows, RATIOS, valid_from=50) == (50, 75)  # half of what lies after
    assert cut_points(rows, RATIOS, valid_from=20, test_from=30) == (20, 30)


def test_without_a_validation_share_all_before_test_is_train() -> None:
    rows = world(list(range(10)))
    part = global_time(rows, *cut_points(rows, (0.9, 0.0, 0.1)))
    assert np.bincount(part, minlength=3).tolist() == [9, 0, 1]


@given(st.lists(st.integers(0, 20), min_size=3, max_size=60))
def test_one_instant_is_in_one_part(time: list[int]) -> None:
    rows = world(sorted(time))
    try:
        valid_from, test_from = cut_points(rows, RATIOS)
    except ConfigError:
        assert len(set(time)) < len(time)  # ties can leave nothing to train on
        return
    part = global_time(rows, valid_from, test_from)
    for earlier, later in ((TRAIN, VALID), (TRAIN, TEST), (VALID, TEST)):
        before, after = rows.time_E[part == earlier], rows.time_E[part == later]
        assert not len(before) or not len(after) or before.max() < after.min()


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="needs times"):
        cut_points(world(None, 5), RATIOS)
    with pytest.raises(ConfigError, match="after --test-from"):
        cut_points(world([1, 2, 3]), RATIOS, valid_from=3, test_from=2)
    with pytest.raises(ConfigError, match="no interaction lies before"):
        cut_points(world([1, 2, 3]), RATIOS, valid_from=1)
