"""Predicted over actual clicks."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from reccli.api import LabelMetric

__all__ = ["ClickRatio"]


class ClickRatio(LabelMetric):
    r"""Clicks that the model expects over clicks that came: 1 is calibrated, 2 promises twice too many.

    .. math:: \text{click-ratio} = \frac{\sum_{r=1}^{R} p_r}{\sum_{r=1}^{R} y_r}

    with y = `label_R`, p = `probability_R`.

    Args:
        settings: None.

    Shapes:
        label_R (R,), probability_R (R,) -> a number, at least 0.

    Notes:
        Calibration in the large: a model that gives everybody the mean rate has 1. `evaluation.ctr.calibration` has
        the ratio by level of probability. NaN where there is no click. Neither higher nor lower is better.

    Paper:
        He et al.: Practical lessons from predicting clicks on ads at Facebook, ADKDD 2014 ("calibration"),
        https://doi.org/10.1145/2648584.2648589

    Pairs well with:
        `auc`, which a wrong level does not touch.

    Example:
        >>> ClickRatio().value(np.array([1.0, 0.0]), np.array([0.75, 0.75]))
        1.5
    """

    higher_is_better: ClassVar[bool | None] = None

    def value(self, label_R: npt.NDArray[np.float64], probability_R: npt.NDArray[np.float64]) -> float:
        """Return expected over actual clicks."""
        clicks = float(label_R.sum())
        return float(probability_R.sum()) / clicks if clicks else float("nan")
