"""`rating-accuracy` against a literal loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reccli.metrics.rating_accuracy import RatingAccuracy
from reccli.testing import MetricConformance


def literally(truth, guess):
    levels = sorted(set(truth), reverse=True)  # the upper one of two equally near levels comes first
    right = [min(levels, key=lambda level: abs(level - g)) == t for t, g in zip(truth, guess, strict=True)]
    return sum(right) / len(right)


def test_equals_a_literal_loop(rating_rows):
    truth_R, guess_R = rating_rows
    want = literally(truth_R.tolist(), guess_R.tolist())
    assert RatingAccuracy().value(truth_R, guess_R) == pytest.approx(want, rel=0, abs=1e-12)


def test_no_rows_is_not_a_number():
    assert math.isnan(RatingAccuracy().value(np.empty(0), np.empty(0)))


def test_a_level_that_no_row_has_can_be_given():
    metric = RatingAccuracy(RatingAccuracy.Settings(levels=(1, 2, 3)))
    assert metric.value(np.array([1.0, 3.0]), np.array([2.0, 3.0])) == 0.5
    assert RatingAccuracy().value(np.array([1.0, 3.0]), np.array([1.9, 3.0])) == 1.0


class TestRatingAccuracy(MetricConformance):
    component = "rating-accuracy"
    bounds = (0.0, 1.0)
