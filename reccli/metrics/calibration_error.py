"""Expected calibration error of click probabilities."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from reccli.api import ComponentSettings, LabelMetric

__all__ = ["CalibrationError"]


class CalibrationError(LabelMetric):
    r"""How far predicted probabilities are from the click rates at their level, on average over rows.

    .. math:: \text{calibration-error} = \sum_b \frac{n_b}{R} \left| \frac{1}{n_b} \sum_{r \in b} (y_r - p_r) \right|

    with y = `label_R`, p = `probability_R`, and b the bins: rows in order of their probability, cut into `bins` parts
    of equally many; rows of one probability are never parted.

    Args:
        settings.bins: Most bins, 10 to 20.

    Shapes:
        label_R (R,), probability_R (R,) -> a number from 0 to 1.

    Notes:
        The paper's bins are equally wide; with few clicks nearly all rows would lie in the first of them. A model that
        gives everybody the mean rate has 0: `auc` sees that it knows nothing. NaN without rows.

    Paper:
        Naeini, Cooper, Hauskrecht: Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015,
        https://doi.org/10.1609/aaai.v29i1.9602 (ECE). Nguyen, O'Connor: Posterior calibration and exploratory analysis
        for natural language processing models, EMNLP 2015, https://arxiv.org/abs/1508.05154 (equally many rows a bin).

    Pairs well with:
        `log-loss` and `auc`; `finetune --set calibration=isotonic` lowers it.

    Example:
        >>> CalibrationError().value(np.array([1.0, 0.0]), np.array([0.75, 0.75]))
        0.25
    """

    class Settings(ComponentSettings):
        """Settings of `calibration-error`."""

        bins: int = Field(default=15, ge=1)
        """Most bins: 10 to 20."""

    higher_is_better: ClassVar[bool | None] = False

    def value(self, label_R: npt.NDArray[np.float64], probability_R: npt.NDArray[np.float64]) -> float:
        """Return the error over R rows."""
        if not len(label_R):
            return float("nan")
        _, level_R, count_L = np.unique(probability_R, return_inverse=True, return_counts=True)
        middle_L = np.cumsum(count_L) - count_L / 2
        bin_R = np.floor(middle_L * self.settings.bins / len(label_R)).astype(np.int64)[level_R]
        return float(np.abs(np.bincount(bin_R, weights=label_R - probability_R)).sum() / len(label_R))
