"""`novelty` against a literal loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reccli.metrics.novelty import Novelty
from reccli.testing import MetricConformance


def literally(lists, counts, n_users, k):
    shown = [item for row in lists for item in row[:k] if item >= 0]
    surprise = [-math.log2(min(1, max(counts[item], 1) / n_users)) for item in shown]
    return sum(surprise) / len(surprise)


def test_equals_a_literal_loop(catalogue_run):
    item_UK, count_I, n_users, k = catalogue_run
    want = literally(item_UK.tolist(), count_I.tolist(), n_users, k)
    assert Novelty().value(item_UK, count_I, n_users, k) == pytest.approx(want, rel=0, abs=1e-12)


def test_an_item_met_more_often_than_there_are_users_has_none():
    got = Novelty().value(np.array([[0]]), np.array([7]), 3, 1)
    assert (got, math.copysign(1, got)) == (0.0, 1.0)


@pytest.mark.parametrize(("item", "n_users"), [(-1, 3), (0, 0)])
def test_nothing_shown_or_nobody_trained_is_not_a_number(item, n_users):
    assert math.isnan(Novelty().value(np.array([[item]]), np.array([1]), n_users, 1))


class TestNovelty(MetricConformance):
    component = "novelty"
