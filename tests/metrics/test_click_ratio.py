"""`click-ratio` against a literal loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reccli.metrics.click_ratio import ClickRatio
from reccli.testing import MetricConformance


def literally(truth, guess):
    return sum(guess) / sum(truth)


def test_equals_a_literal_loop(label_rows):
    truth_R, guess_R = label_rows
    want = literally(truth_R.tolist(), guess_R.tolist())
    assert ClickRatio().value(truth_R, guess_R) == pytest.approx(want, rel=0, abs=1e-12)


def test_no_rows_is_not_a_number():
    assert math.isnan(ClickRatio().value(np.empty(0), np.empty(0)))


def test_no_click_is_not_a_number():
    assert math.isnan(ClickRatio().value(np.zeros(2), np.array([0.1, 0.2])))


class TestClickRatio(MetricConformance):
    component = "click-ratio"
