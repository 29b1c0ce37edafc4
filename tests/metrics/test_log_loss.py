"""`log-loss` against a literal loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reccli.metrics.log_loss import LogLoss
from reccli.testing import MetricConformance


def literally(truth, guess):
    epsilon = 2.0**-52
    total = 0.0
    for t, g in zip(truth, guess, strict=True):
        clipped = min(max(g, epsilon), 1 - epsilon)
        total -= math.log(clipped) if t == 1 else math.log(1 - clipped)
    return total / len(truth)


def test_equals_a_literal_loop(label_rows):
    truth_R, guess_R = label_rows
    want = literally(truth_R.tolist(), guess_R.tolist())
    assert LogLoss().value(truth_R, guess_R) == pytest.approx(want, rel=0, abs=1e-12)


def test_no_rows_is_not_a_number():
    assert math.isnan(LogLoss().value(np.empty(0), np.empty(0)))


class TestLogLoss(MetricConformance):
    component = "log-loss"
