"""Share of ratings predicted to the level."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reccli.api import ComponentSettings, RatingMetric

__all__ = ["RatingAccuracy"]


class RatingAccuracy(RatingMetric):
    r"""Share of rows whose prediction, moved to the nearest level of the scale, is the true rating.

    .. math:: \text{rating-accuracy} = \frac{1}{R} \sum_{r=1}^{R}
        \Big[ \operatorname*{arg\,min}_{l \in L} |\hat{y}_r - l| = y_r \Big]

    with y = `target_R`, ŷ = `prediction_R`, L = `levels`.

    Args:
        settings: `levels`, the ratings that exist (by default the distinct values of `target_R`).

    Shapes:
        target_R (R,), prediction_R (R,) -> a number in [0, 1].

    Notes:
        A prediction half-way between two levels goes to the upper one; one outside the scale goes to its end. With the
        default, a level that no row has cannot be predicted: give `levels` when slices of one data set are compared.
        NaN without rows.

    Paper:
        Herlocker, Konstan, Terveen, Riedl: Evaluating collaborative filtering recommender systems, TOIS 2004,
        https://doi.org/10.1145/963770.963772

    Pairs well with:
        `mae`, which also says how far off the misses are.

    Example:
        >>> RatingAccuracy().value(np.array([1.0, 2.0, 4.0]), np.array([1.4, 1.5, 2.9]))
        0.6666666666666666
    """

    class Settings(ComponentSettings):
        """Settings of `rating-accuracy`."""

        levels: tuple[float, ...] | None = None
        """Ratings that exist on the data's scale; unset: the distinct true ratings."""

    def value(self, target_R: npt.NDArray[np.float64], prediction_R: npt.NDArray[np.float64]) -> float:
        """Return the share of rows that land on their true level."""
        if not len(target_R):
            return float("nan")
        levels = self.settings.levels
        level_L = np.unique(target_R if levels is None else np.asarray(levels, dtype=np.float64))
        middle_L = (level_L[1:] + level_L[:-1]) / 2
        rounded_R = level_L[np.searchsorted(middle_L, prediction_R, side="right")]
        return float(np.mean(rounded_R == target_R))
