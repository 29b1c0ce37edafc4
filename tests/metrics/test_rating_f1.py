"""`rating-f1` against a literal loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reccli.metrics.rating_f1 import RatingF1
from reccli.testing import MetricConformance


def literally(truth, guess):
    bound = min(truth) + 0.75 * (max(truth) - min(truth))
    threshold = min(t for t in truth if t >= bound)
    both = sum(t >= threshold and g >= threshold for t, g in zip(truth, guess, strict=True))
    return 2 * both / (sum(t >= threshold for t in truth) + sum(g >= threshold for g in guess))


def test_equals_a_literal_loop(rating_rows):
    truth_R, guess_R = rating_rows
    want = literally(truth_R.tolist(), guess_R.tolist())
    assert RatingF1().value(truth_R, guess_R) == pytest.approx(want, rel=0, abs=1e-12)


def test_no_rows_is_not_a_number():
    assert math.isnan(RatingF1().value(np.empty(0), np.empty(0)))


@pytest.mark.parametrize(("scale", "threshold"), [((1, 5), 4), ((0.5, 5), 4), ((1, 10), 8)])
def test_the_threshold_is_three_quarters_up_the_scale(scale, threshold):
    target_R = np.arange(scale[0], scale[1] + 0.5, 0.5 if scale[0] == 0.5 else 1.0)
    given = RatingF1(RatingF1.Settings(threshold=threshold))
    for prediction in target_R:
        prediction_R = np.full(len(target_R), prediction)
        assert RatingF1().value(target_R, prediction_R) == given.value(target_R, prediction_R)


def test_nothing_liked_is_zero():
    metric = RatingF1(RatingF1.Settings(threshold=6))
    assert metric.value(np.array([1.0, 5.0]), np.array([2.0, 3.0])) == 0.0


class TestRatingF1(MetricConformance):
    component = "rating-f1"
    bounds = (0.0, 1.0)
