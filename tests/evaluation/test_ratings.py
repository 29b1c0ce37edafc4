"""Evaluation of predicted ratings."""

from __future__ import annotations

import numpy as np
import pytest

from reccli.errors import DataError, PluginError
from reccli.evaluation.ratings import evaluate_ratings
from reccli.registry import create

METRICS = {name: create("metric", name) for name in ("mse", "rmse", "mae", "rating-accuracy", "rating-f1")}


def evaluate(target, prediction, user):
    return evaluate_ratings(
        np.asarray(target, np.float32),
        np.asarray(prediction, np.float32),
        np.asarray(user),
        METRICS,
        generator=np.random.default_rng(0),
        n_resamples=20,
    )


def test_all_metrics():
    got = evaluate([1, 5, 4, 4], [2, 3, 4.5, 4], [0, 0, 1, 1])
    want = {"mse": 5.25 / 4, "rmse": (5.25 / 4) ** 0.5, "mae": 3.5 / 4, "rating-accuracy": 0.5, "rating-f1": 0.8}
    assert dict(zip(got["metric"], got["value"], strict=True)) == pytest.approx(want)


def test_nothing_held_out_is_a_fault_of_the_data():
    with pytest.raises(DataError, match="no held-out rating"):
        evaluate([], [], [])


def test_a_prediction_that_is_not_finite_is_the_models_fault():
    with pytest.raises(PluginError, match="1 of 2 predicted ratings are not finite"):
        evaluate([1, 2], [1, np.nan], [0, 0])


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="1 ratings, 2 predictions, 1 users"):
        evaluate([1], [1, 2], [0])
