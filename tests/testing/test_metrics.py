"""The metrics' kit finds the fault of each of these metrics."""

from __future__ import annotations

import numpy as np
import pytest

from reccli.api import CatalogueMetric, LabelMetric, RankingMetric, RatingMetric
from reccli.testing import MetricConformance


class Share(RankingMetric):
    """The share of hits among the first k."""

    def per_user(self, hit_UK, n_relevant_U, k):
        return hit_UK[:, :k].mean(1)


class Deep(Share):
    """Looks beyond k."""

    def per_user(self, hit_UK, n_relevant_U, k):
        return hit_UK.mean(1)


class Whole(Share):
    """Gives whole numbers."""

    def per_user(self, hit_UK, n_relevant_U, k):
        return hit_UK[:, :k].sum(1)


class Misses(Share):
    """The share of misses, which is no virtue."""

    def per_user(self, hit_UK, n_relevant_U, k):
        return 1.0 - hit_UK[:, :k].mean(1)


class FirstUserLeads(Share):
    """Compares everybody with the first user."""

    def per_user(self, hit_UK, n_relevant_U, k):
        return np.abs(super().per_user(hit_UK, n_relevant_U, k) - hit_UK[0, 0])


class Vandal(Share):
    """Writes into its input."""

    def per_user(self, hit_UK, n_relevant_U, k):
        hit_UK[:, -1] ^= True
        return super().per_user(hit_UK, n_relevant_U, k)


class Distance(RatingMetric):
    """The mean distance of two numbers."""

    higher_is_better = False

    def value(self, target_R, prediction_R):
        return float(np.abs(target_R - prediction_R).mean())


class Clicks(LabelMetric):
    """The mean probability of what was clicked."""

    def value(self, label_R, probability_R):
        return float((label_R * probability_R).sum() / label_R.sum())


class Different(CatalogueMetric):
    """How many different items are shown."""

    def value(self, item_UK, train_count_I, n_train_users, k):
        return float(len(np.unique(item_UK[:, :k])))


class Broken(Distance):
    """Divides by zero."""

    def value(self, target_R, prediction_R):
        return float("nan")


class Everything(Distance, LabelMetric):
    """Cannot decide."""


@pytest.mark.parametrize(
    ("component", "check", "match"),
    [
        (Everything, "test_is_a_metric", "must be one of"),
        (Whole, "test_values", "int64"),
        (Broken, "test_values", "not finite"),
        (Vandal, "test_values", "changes its inputs"),
        (Deep, "test_ranks_beyond_k_do_not_count", "beyond k"),
        (FirstUserLeads, "test_rows_may_stand_in_any_order", "order of the rows"),
        (Misses, "test_perfect_predictions_are_best", "not the best"),
    ],
)
def test_a_fault_is_found(fails, component, check, match):
    fails(MetricConformance, component, check, match)


def test_bounds_are_checked(fails):
    fails(MetricConformance, Share, "test_values", "above 0.1", bounds=(0.0, 0.1))
    fails(MetricConformance, Distance, "test_values", "below 9", bounds=(9.0, None))


@pytest.mark.parametrize(("component", "checks"), [(Share, 10), (Distance, 9), (Clicks, 9), (Different, 9)])
def test_good_metrics_pass_every_check(passes, component, checks):
    assert len(passes(MetricConformance, component)) == checks
