"""`auc` against a literal loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reccli.metrics.auc import AUC
from reccli.testing import MetricConformance


def literally(truth, guess):
    won = [
        1.0 if clicked > other else 0.5 if clicked == other else 0.0
        for t, clicked in zip(truth, guess, strict=True)
        for s, other in zip(truth, guess, strict=True)
        if t == 1 and s == 0
    ]
    return sum(won) / len(won)


def test_equals_a_literal_loop(label_rows):
    truth_R, guess_R = label_rows
    want = literally(truth_R.tolist(), guess_R.tolist())
    assert AUC().value(truth_R, guess_R) == pytest.approx(want, rel=0, abs=1e-12)


def test_no_rows_is_not_a_number():
    assert math.isnan(AUC().value(np.empty(0), np.empty(0)))


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_alone_is_not_a_number(label):
    assert math.isnan(AUC().value(np.full(3, label), np.array([0.1, 0.2, 0.3])))


class TestAUC(MetricConformance):
    component = "auc"
    bounds = (0.0, 1.0)
