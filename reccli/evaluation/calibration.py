"""From scores to probabilities that come true as often as they say: fitted on held-out clicks, stored as numbers.

R rows, K knots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Calibration", "fit_calibration"]

Float64 = npt.NDArray[np.float64]
STEPS = 100
MOST_KNOTS = 512


@dataclass(frozen=True)
class Calibration:
    """How log odds become probabilities.

    ::

        temperature: p = 1 / (1 + exp(-(scale * s + shift)))        isotonic: p by straight lines between the knots

    Args:
        method: `none`, `temperature` or `isotonic`.
        scale: Of `temperature`: 1 over the temperature.
        shift: Of `temperature`.
        log_odds_K: Of `isotonic`: ascending scores.
        probability_K: Of `isotonic`: what they stand for, ascending.

    Paper:
        Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017,
        https://arxiv.org/abs/1706.04599 (temperature; with a shift it is Platt's). Zadrozny, Elkan: Transforming
        Classifier Scores into Accurate Multiclass Probability Estimates, KDD 2002,
        https://doi.org/10.1145/775047.775151 (isotonic).
    """

    method: str = "none"
    scale: float = 1.0
    shift: float = 0.0
    log_odds_K: tuple[float, ...] = ()
    probability_K: tuple[float, ...] = ()

    def probabilities(self, score_R: Float64) -> Float64:
        """Return probabilities of log odds, R."""
        if self.method == "isotonic":
            return np.interp(score_R, self.log_odds_K, self.probability_K)
        return _sigmoid(self.scale * score_R + self.shift)

    def facts(self) -> dict[str, Any]:
        """Return plain numbers that `from_facts` reads."""
        found: dict[str, Any] = {"method": self.method}
        if self.method == "temperature":
            found |= {"scale": self.scale, "shift": self.shift}
        if self.method == "isotonic":
            found |= {"log_odds": list(self.log_odds_K), "probability": list(self.probability_K)}
        return found

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any] | None) -> Calibration:
        """Rebuild from what a manifest holds; without anything probabilities are as the model says."""
        given = facts or {}
        return cls(
            str(given.get("method", "none")),
            float(given.get("scale", 1.0)),
            float(given.get("shift", 0.0)),
            tuple(given.get("log_odds", ())),
            tuple(given.get("probability", ())),
        )


def fit_calibration(method: str, score_R: Float64, label_R: Float64) -> Calibration:
    """Fit on rows that were not trained on; with one class alone there is nothing to fit.

    Args:
        method: `none`, `temperature` or `isotonic`.
        score_R: Log odds.
        label_R: 0 or 1.
    """
    if method == "none" or not 0 < label_R.sum() < len(label_R):
        return Calibration()
    if method == "temperature":
        return Calibration("temperature", *_temperature(score_R, label_R))
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(score_R, label_R)
    knots, values = np.asarray(fitted.X_thresholds_, np.float64), np.asarray(fitted.y_thresholds_, np.float64)
    kept = np.unique(np.linspace(0, len(knots) - 1, min(MOST_KNOTS, len(knots))).round().astype(np.int64))
    # No row is certain: the first and the last step of the curve are means of few labels, often all of one class.
    edge = 1.0 / (len(label_R) + 2)
    values = values.clip(edge, 1 - edge)
    return Calibration("isotonic", log_odds_K=tuple(knots[kept].tolist()), probability_K=tuple(values[kept].tolist()))


def _temperature(score_R: Float64, label_R: Float64) -> tuple[float, float]:
    """Return scale and shift of the logistic regression on one number, by Newton's method with halved steps."""
    x_R2 = np.stack([score_R, np.ones(len(score_R))], axis=1)
    weight_2 = np.array([1.0, 0.0])
    value = _log_loss(x_R2 @ weight_2, label_R)
    for _ in range(STEPS):
        p_R = _sigmoid(x_R2 @ weight_2)
        gradient_2 = x_R2.T @ (p_R - label_R)
        hessian_22 = (x_R2 * (p_R * (1 - p_R))[:, None]).T @ x_R2 + 1e-6 * np.eye(2)
        step_2 = np.linalg.solve(hessian_22, gradient_2)
        while _log_loss(x_R2 @ (weight_2 - step_2), label_R) > value and np.abs(step_2).max() > 1e-12:
            step_2 = step_2 / 2
        weight_2 = weight_2 - step_2
        before, value = value, _log_loss(x_R2 @ weight_2, label_R)
        if before - value < 1e-12:
            break
    return float(weight_2[0]), float(weight_2[1])


def _log_loss(logit_R: Float64, label_R: Float64) -> float:
    return float(np.mean(np.logaddexp(0.0, logit_R) - label_R * logit_R))


def _sigmoid(logit_R: Float64) -> Float64:
    return np.asarray(np.exp(-np.logaddexp(0.0, -logit_R)), np.float64)
