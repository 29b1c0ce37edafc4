"""Log loss of click probabilities."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from reccli.api import LabelMetric

__all__ = ["LogLoss"]


class LogLoss(LabelMetric):
    r"""Mean negative log-likelihood of 0/1 labels, in nats.

    .. math:: \text{log-loss} = -\frac{1}{R} \sum_{r=1}^{R} \big( y_r \ln p_r + (1 - y_r) \ln (1 - p_r) \big)

    with y = `label_R`, p = `probability_R` clipped to [ε, 1 - ε], ε = 2.2e-16 (the machine epsilon of float64).

    Args:
        settings: None.

    Shapes:
        label_R (R,), probability_R (R,) -> a number, at least 0.

    Notes:
        The clip makes a certain and wrong prediction cost 36.04 instead of infinity, as in scikit-learn. NaN without
        rows.

    Paper:
        Good: Rational decisions, JRSS B 1952, https://doi.org/10.1111/j.2517-6161.1952.tb00104.x

    Pairs well with:
        `auc` (order alone) and `click-ratio` (level alone): log loss sees both.

    Example:
        >>> round(LogLoss().value(np.array([1.0, 0.0]), np.array([0.5, 0.5])), 4)
        0.6931
    """

    higher_is_better: ClassVar[bool | None] = False

    def value(self, label_R: npt.NDArray[np.float64], probability_R: npt.NDArray[np.float64]) -> float:
        """Return the log loss over R rows."""
        if not len(label_R):
            return float("nan")
        epsilon = np.finfo(np.float64).eps
        clipped_R = np.clip(probability_R, epsilon, 1 - epsilon)
        return float(-np.mean(label_R * np.log(clipped_R) + (1 - label_R) * np.log(1 - clipped_R)))
