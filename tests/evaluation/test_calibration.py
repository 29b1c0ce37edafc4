"""Calibration: known temperatures are found, isotonic steps are scikit-learn's, and all survives as plain numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from reccli.evaluation.calibration import Calibration, fit_calibration


def clicks(scale: float, shift: float, rows: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are too sure by `scale`, and off by `shift`."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-1, 1.5, rows)
    return true * scale + shift, (rng.random(rows) < 1 / (1 + np.exp(-true))).astype(float)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (3.0, 0.5), (0.2, -2.0)])
def test_temperature_is_the_logistic_regression_on_one_number(scale: float, shift: float) -> None:
    score, label = clicks(scale, shift)
    found = fit_calibration("temperature", score, label)
    oracle = LogisticRegression(C=1e8, tol=1e-10, max_iter=10_000).fit(score[:, None], label)
    assert found.scale == pytest.approx(float(oracle.coef_[0, 0]), rel=1e-3)
    assert found.shift == pytest.approx(float(oracle.intercept_[0]), abs=2e-3)
    np.testing.assert_allclose(found.probabilities(score), oracle.predict_proba(score[:, None])[:, 1], atol=1e-3)


def test_isotonic_is_that_of_scikit_learn_but_never_certain() -> None:
    score, label = clicks(3.0, 0.5)
    found = fit_calibration("isotonic", score, label)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(score, label)
    edge = 1 / (len(label) + 2)
    np.testing.assert_allclose(found.probabilities(score), oracle.predict(score).clip(edge, 1 - edge), atol=1e-9)
    assert found.probabilities(np.array([-1e9, 1e9])).tolist() == [found.probability_K[0], found.probability_K[-1]]
    assert 0 < found.probability_K[0] < found.probability_K[-1] < 1


@pytest.mark.parametrize("method", ["none", "temperature", "isotonic"])
def test_plain_numbers_give_the_same_again(method: str) -> None:
    score, label = clicks(2.0, 0.0, rows=300)
    found = fit_calibration(method, score, label)
    again = Calibration.from_facts(json.loads(json.dumps(found.facts())))
    np.testing.assert_array_equal(again.probabilities(score), found.probabilities(score))
    order = np.argsort(score)
    assert (np.diff(found.probabilities(score[order])) >= 0).all()


def test_nothing_is_fitted_where_there_is_one_class_and_nothing_is_known_of_old_runs() -> None:
    for label in (np.zeros(5), np.ones(5)):
        assert fit_calibration("temperature", np.arange(5.0), label) == Calibration()
    assert Calibration.from_facts(None) == Calibration()
    assert Calibration().probabilities(np.array([0.0, -800.0, 800.0])).tolist() == [0.5, 0.0, 1.0]


@pytest.mark.parametrize("separable", [np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0.0, 0.0, 0.0, 0.0])])
def test_scores_that_tell_all_or_nothing_stay_finite(separable: np.ndarray) -> None:
    label = np.array([0.0, 0.0, 1.0, 1.0])
    for method in ("temperature", "isotonic"):
        probability = fit_calibration(method, separable, label).probabilities(separable)
        assert np.isfinite(probability).all()
        assert ((probability >= 0) & (probability <= 1)).all()
