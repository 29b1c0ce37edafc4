"""Evaluation of click probabilities, and their calibration."""

from __future__ import annotations

import numpy as np
import pytest

from reccli.errors import DataError, PluginError
from reccli.evaluation.ctr import calibration, evaluate_labels
from reccli.registry import create

METRICS = {name: create("metric", name) for name in ("log-loss", "auc", "click-ratio")}


def evaluate(label, probability, user):
    return evaluate_labels(
        np.asarray(label, np.float32),
        np.asarray(probability, np.float64),
        np.asarray(user),
        METRICS,
        generator=np.random.default_rng(0),
        n_resamples=20,
    )


def test_all_metrics():
    got = evaluate([1, 0], [0.5, 0.25], [0, 1])
    want = {"log-loss": -(np.log(0.5) + np.log(0.75)) / 2, "auc": 1.0, "click-ratio": 0.75}
    assert dict(zip(got["metric"], got["value"], strict=True)) == pytest.approx(want)


def test_nothing_held_out_is_a_fault_of_the_data():
    with pytest.raises(DataError, match="no held-out row"):
        evaluate([], [], [])


def test_labels_are_0_or_1():
    with pytest.raises(DataError, match="1 of 3 labels are neither 0 nor 1, as 4"):
        evaluate([1, 4, 0], [0.1, 0.1, 0.1], [0, 0, 0])


@pytest.mark.parametrize(("wrong", "message"), [(1.5, r"outside \[0, 1\], as 1.5"), (np.nan, "not finite")])
def test_predictions_are_probabilities(wrong, message):
    with pytest.raises(PluginError, match=message):
        evaluate([1, 0], [0.5, wrong], [0, 1])


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="1 labels, 2 predictions, 1 users"):
        evaluate([1], [0.1, 0.2], [0])


def test_calibration_of_two_levels():
    got = calibration(np.array([0, 0, 1, 1, 0, 1.0]), np.array([0.1, 0.2, 0.3, 0.6, 0.8, 0.7]), n_bins=2)
    assert got["n"].to_list() == [3, 3]
    assert got["predicted"].to_list() == pytest.approx([0.2, 0.7])
    assert got["actual"].to_list() == pytest.approx([1 / 3, 2 / 3])
    assert got["ratio"].to_list() == pytest.approx([0.6, 1.05])


def test_calibration_never_parts_equal_probabilities_and_has_no_ratio_without_clicks():
    got = calibration(np.array([0.0] * 6 + [1.0]), np.array([0.5] * 6 + [0.9]), n_bins=5)
    assert got["n"].to_list() == [6, 1]
    assert got["ratio"].to_list() == [None, pytest.approx(0.9)]


def test_a_calibrated_model_has_ratios_near_one():
    rng = np.random.default_rng(1)
    probability = rng.random(20_000)
    label = (rng.random(20_000) < probability).astype(float)
    got = calibration(label, probability)
    assert got["n"].to_list() == [2000] * 10
    assert got["ratio"].to_numpy() == pytest.approx(np.ones(10), abs=0.15)


def test_calibration_of_nothing_is_empty():
    assert calibration(np.empty(0), np.empty(0)).height == 0
