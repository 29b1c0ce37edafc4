"""`gini` against a literal loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reccli.metrics.gini import Gini
from reccli.testing import MetricConformance


def literally(lists, counts, n_users, k):
    shown = [item for row in lists for item in row[:k] if item >= 0]
    exposure = [shown.count(item) for item in range(len(counts))]
    apart = sum(abs(one - other) for one in exposure for other in exposure)
    return apart / (2 * len(counts) * sum(exposure))


def test_equals_a_literal_loop(catalogue_run):
    item_UK, count_I, n_users, k = catalogue_run
    want = literally(item_UK.tolist(), count_I.tolist(), n_users, k)
    assert Gini().value(item_UK, count_I, n_users, k) == pytest.approx(want, rel=0, abs=1e-12)


def test_even_exposure_is_zero_and_one_item_alone_nearly_one():
    count_I = np.ones(4, np.int64)
    assert Gini().value(np.arange(4)[:, None], count_I, 4, 1) == pytest.approx(0, abs=1e-12)
    assert Gini().value(np.zeros((9, 1), np.int64), count_I, 4, 1) == pytest.approx(3 / 4, abs=1e-12)


def test_nothing_shown_is_not_a_number():
    assert math.isnan(Gini().value(np.full((2, 3), -1), np.ones(4, np.int64), 2, 3))


class TestGini(MetricConformance):
    component = "gini"
    bounds = (0.0, 1.0)
