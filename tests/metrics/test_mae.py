"""`mae` against a literal loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reccli.metrics.mae import MAE
from reccli.testing import MetricConformance


def literally(truth, guess):
    return sum(abs(g - t) for t, g in zip(truth, guess, strict=True)) / len(truth)


def test_equals_a_literal_loop(rating_rows):
    truth_R, guess_R = rating_rows
    want = literally(truth_R.tolist(), guess_R.tolist())
    assert MAE().value(truth_R, guess_R) == pytest.approx(want, rel=0, abs=1e-12)


def test_no_rows_is_not_a_number():
    assert math.isnan(MAE().value(np.empty(0), np.empty(0)))


class TestMAE(MetricConformance):
    component = "mae"
