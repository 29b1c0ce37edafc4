"""Mean squared error of ratings."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from reccli.api import RatingMetric

__all__ = ["MSE"]


class MSE(RatingMetric):
    r"""Mean squared difference of predicted and true ratings.

    .. math:: \text{mse} = \frac{1}{R} \sum_{r=1}^{R} (\hat{y}_r - y_r)^2

    with y = `target_R`, ŷ = `prediction_R`.

    Args:
        settings: None.

    Shapes:
        target_R (R,), prediction_R (R,) -> a number, in squared units of the ratings, at least 0.

    Notes:
        Every row weighs the same, so users with many ratings weigh more. NaN without rows. Predictions are taken as
        they are; clip them to the scale before if the model may leave it.

    Paper:
        Herlocker, Konstan, Terveen, Riedl: Evaluating collaborative filtering recommender systems, TOIS 2004,
        https://doi.org/10.1145/963770.963772

    Pairs well with:
        the loss `mse`, which minimises it.

    Example:
        >>> MSE().value(np.array([3.0, 5.0]), np.array([4.0, 4.0]))
        1.0
    """

    higher_is_better: ClassVar[bool | None] = False

    def value(self, target_R: npt.NDArray[np.float64], prediction_R: npt.NDArray[np.float64]) -> float:
        """Return the mean squared error over R rows."""
        if not len(target_R):
            return float("nan")
        return float(np.mean(np.square(prediction_R - target_R)))
