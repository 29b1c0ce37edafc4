"""`rmse` against a literal loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reccli.metrics.rmse import RMSE
from reccli.testing import MetricConformance


def literally(truth, guess):
    return math.sqrt(sum((g - t) ** 2 for t, g in zip(truth, guess, strict=True)) / len(truth))


def test_equals_a_literal_loop(rating_rows):
    truth_R, guess_R = rating_rows
    want = literally(truth_R.tolist(), guess_R.tolist())
    assert RMSE().value(truth_R, guess_R) == pytest.approx(want, rel=0, abs=1e-12)


def test_no_rows_is_not_a_number():
    assert math.isnan(RMSE().value(np.empty(0), np.empty(0)))


class TestRMSE(MetricConformance):
    component = "rmse"
