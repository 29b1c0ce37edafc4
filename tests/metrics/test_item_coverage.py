"""`item-coverage` against a literal loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reccli.metrics.item_coverage import ItemCoverage
from reccli.testing import MetricConformance


def literally(lists, counts, n_users, k):
    shown = [item for row in lists for item in row[:k] if item >= 0]
    return len(set(shown)) / len(counts)


def test_equals_a_literal_loop(catalogue_run):
    item_UK, count_I, n_users, k = catalogue_run
    want = literally(item_UK.tolist(), count_I.tolist(), n_users, k)
    assert ItemCoverage().value(item_UK, count_I, n_users, k) == pytest.approx(want, rel=0, abs=1e-12)


def test_nothing_shown_covers_nothing_and_no_catalogue_is_not_a_number():
    nothing = np.full((2, 3), -1)
    assert ItemCoverage().value(nothing, np.ones(4, np.int64), 2, 3) == 0.0
    assert math.isnan(ItemCoverage().value(nothing, np.empty(0, np.int64), 2, 3))


class TestItemCoverage(MetricConformance):
    component = "item-coverage"
    bounds = (0.0, 1.0)
