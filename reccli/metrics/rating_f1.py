"""F1 of the liked rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reccli.api import ComponentSettings, RatingMetric

__all__ = ["RatingF1"]


class RatingF1(RatingMetric):
    r"""F1 of telling liked rows (rating at least the threshold) from the others.

    .. math:: \text{rating-f1} = \frac{2 \, |\{y \ge t\} \cap \{\hat{y} \ge t\}|}{|\{y \ge t\}| + |\{\hat{y} \ge t\}|}

    with y = `target_R`, ŷ = `prediction_R`, t = `threshold`.

    Args:
        settings: `threshold`, in units of the ratings (usual: 4 on a scale of 1 to 5).

    Shapes:
        target_R (R,), prediction_R (R,) -> a number in [0, 1].

    Notes:
        Unset, the threshold is the lowest true rating at or above three quarters of the way from the lowest to the
        highest true rating: 4 on 1..5 and on 0.5..5, 8 on 1..10. Both sides use the same threshold and `>=`. Liked is
        the positive class; the value is 0 where nothing is liked on either side. NaN without rows.

    Paper:
        van Rijsbergen: Information Retrieval, 2nd edition, 1979, chapter 7,
        http://www.dcs.gla.ac.uk/Keith/Preface.html

    Pairs well with:
        `rating-accuracy`.

    Example:
        >>> RatingF1(RatingF1.Settings(threshold=4)).value(np.array([5.0, 4.0, 1.0]), np.array([4.2, 3.0, 2.0]))
        0.6666666666666666
    """

    class Settings(ComponentSettings):
        """Settings of `rating-f1`."""

        threshold: float | None = None
        """Rating from which on a row counts as liked; unset: three quarters up the scale."""

    def value(self, target_R: npt.NDArray[np.float64], prediction_R: npt.NDArray[np.float64]) -> float:
        """Return the F1 of the liked class."""
        if not len(target_R):
            return float("nan")
        threshold = self.settings.threshold
        if threshold is None:
            three_quarters = target_R.min() + 0.75 * (target_R.max() - target_R.min())
            threshold = target_R[target_R >= three_quarters].min()
        liked_R, guessed_R = target_R >= threshold, prediction_R >= threshold
        either = liked_R.sum() + guessed_R.sum()
        return float(2 * (liked_R & guessed_R).sum() / either) if either else 0.0
