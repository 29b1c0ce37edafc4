"""Mean absolute error of ratings."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from reccli.api import RatingMetric

__all__ = ["MAE"]


class MAE(RatingMetric):
    r"""Mean absolute difference of predicted and true ratings.

    .. math:: \text{mae} = \frac{1}{R} \sum_{r=1}^{R} |\hat{y}_r - y_r|

    with y = `target_R`, ŷ = `prediction_R`.

    Args:
        settings: None.

    Shapes:
        target_R (R,), prediction_R (R,) -> a number, in units of the ratings, at least 0.

    Notes:
        Every row weighs the same. NaN without rows.

    Paper:
        Herlocker, Konstan, Terveen, Riedl: Evaluating collaborative filtering recommender systems, TOIS 2004,
        https://doi.org/10.1145/963770.963772

    Pairs well with:
        `rmse`, which weighs large errors more.

    Example:
        >>> MAE().value(np.array([3.0, 5.0]), np.array([4.0, 3.0]))
        1.5
    """

    higher_is_better: ClassVar[bool | None] = False

    def value(self, target_R: npt.NDArray[np.float64], prediction_R: npt.NDArray[np.float64]) -> float:
        """Return the mean absolute error over R rows."""
        if not len(target_R):
            return float("nan")
        return float(np.mean(np.abs(prediction_R - target_R)))
