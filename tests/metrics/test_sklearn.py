"""Row metrics and NDCG against scikit-learn on random runs with ties."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from reccli.registry import create

SEEDS = range(30)


def random_rows(seed):
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(5, 80))
    return rng, rng.integers(1, 6, rows).astype(np.float64), rng.integers(0, 51, rows) / 10


@pytest.mark.parametrize("seed", SEEDS)
def test_ratings(seed):
    _, target, prediction = random_rows(seed)
    close(create("metric", "mse"), target, prediction, sk.mean_squared_error(target, prediction))
    close(create("metric", "rmse"), target, prediction, sk.root_mean_squared_error(target, prediction))
    close(create("metric", "mae"), target, prediction, sk.mean_absolute_error(target, prediction))
    levels = np.arange(1.0, 6.0)
    # The upper one of two equally near levels: look for the nearest from above.
    nearest = levels[::-1][np.abs(prediction[:, None] - levels[::-1]).argmin(axis=1)]
    accuracy = create("metric", "rating-accuracy", {"levels": tuple(levels)})
    close(accuracy, target, prediction, sk.accuracy_score(target.astype(int), nearest.astype(int)))
    f1 = create("metric", "rating-f1", {"threshold": 3.5})
    close(f1, target, prediction, sk.f1_score(target >= 3.5, prediction >= 3.5, zero_division=0))


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_with_tied_probabilities(seed):
    rng, _, prediction = random_rows(seed)
    label = np.concatenate([[0.0, 1.0], rng.integers(0, 2, len(prediction) - 2)])
    probability = np.round(np.clip(prediction / 5, 0, 1), 1)
    close(create("metric", "auc"), label, probability, sk.roc_auc_score(label, probability))
    close(create("metric", "log-loss"), label, probability, sk.log_loss(label, probability, labels=[0, 1]))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("k", [1, 3, 10])
def test_ndcg(seed, k):
    rng = np.random.default_rng(seed)
    relevant_UI = rng.random((6, 12)) < 0.3
    relevant_UI[:, 0] = True
    score_UI = -np.tile(np.arange(12.0), (6, 1))  # items in order of code, so that ranks are columns
    got = create("metric", "ndcg").per_user(relevant_UI, relevant_UI.sum(axis=1), k)
    want = [sk.ndcg_score(truth[None], score[None], k=k) for truth, score in zip(relevant_UI, score_UI, strict=True)]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


def close(metric, truth, guess, want):
    np.testing.assert_allclose(metric.value(truth, guess), want, rtol=0, atol=1e-12)
