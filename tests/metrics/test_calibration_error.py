"""`calibration-error` against a literal loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reccli.metrics.calibration_error import CalibrationError
from reccli.testing import MetricConformance


def literally(truth, guess, bins):
    """Each distinct probability goes to the bin in which the middle of its rows lies."""
    rows = len(truth)
    order = sorted(range(rows), key=lambda row: guess[row])
    places = {}
    for level in sorted(set(guess)):
        ranks = [rank for rank, row in enumerate(order) if guess[row] == level]
        middle = (ranks[0] + ranks[-1] + 1) / 2
        places.setdefault(int(middle * bins / rows), []).extend(order[rank] for rank in ranks)
    return sum(abs(sum(truth[row] - guess[row] for row in some)) for some in places.values()) / rows


@pytest.mark.parametrize("bins", [1, 4, 15])
def test_equals_a_literal_loop(label_rows, bins):
    truth_R, guess_R = label_rows
    metric = CalibrationError(CalibrationError.Settings(bins=bins))
    want = literally(truth_R.tolist(), guess_R.tolist(), bins)
    assert metric.value(truth_R, guess_R) == pytest.approx(want, rel=0, abs=1e-12)


def test_right_probabilities_have_next_to_none_and_too_sure_ones_much():
    rng = np.random.default_rng(0)
    probability_R = rng.random(20_000)
    label_R = (rng.random(20_000) < probability_R).astype(float)
    log_odds_R = np.log(probability_R / (1 - probability_R))
    assert CalibrationError().value(label_R, probability_R) < 0.02
    assert CalibrationError().value(label_R, 1 / (1 + np.exp(-3 * log_odds_R))) > 0.1


def test_no_rows_is_not_a_number():
    assert math.isnan(CalibrationError().value(np.empty(0), np.empty(0)))


class TestCalibrationError(MetricConformance):
    component = "calibration-error"
