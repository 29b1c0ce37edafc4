"""Area under the ROC curve of labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reccli.api import LabelMetric

__all__ = ["AUC"]


class AUC(LabelMetric):
    r"""Chance that a random clicked row is scored above a random unclicked one, ties counting half.

    .. math:: \text{auc} = \frac{\sum_{r: y_r = 1} \rho_r - P (P + 1) / 2}{P N}

    with y = `label_R`, ρ = rank of `probability_R` from below (ties: the mean of their ranks), P and N the clicked and
    unclicked rows.

    Args:
        settings: None.

    Shapes:
        label_R (R,), probability_R (R,) -> a number in [0, 1].

    Notes:
        Over all rows together, not per user. NaN where one of the two classes is absent. In ranking tasks the rows
        named `auc` are the mean over users of the AUC in the catalogue: `evaluation.auc`.

    Paper:
        Hanley, McNeil: The meaning and use of the area under a ROC curve, Radiology 1982,
        https://doi.org/10.1148/radiology.143.1.7063747

    Pairs well with:
        `log-loss`, which also punishes a wrong level.

    Example:
        >>> AUC().value(np.array([1.0, 0.0, 0.0]), np.array([0.7, 0.7, 0.2]))
        0.75
    """

    def value(self, label_R: npt.NDArray[np.float64], probability_R: npt.NDArray[np.float64]) -> float:
        """Return the area under the ROC curve over R rows."""
        clicked_R = label_R > 0
        n_clicked = int(clicked_R.sum())
        n_other = len(label_R) - n_clicked
        if not n_clicked or not n_other:
            return float("nan")
        _, level_R, count_L = np.unique(probability_R, return_inverse=True, return_counts=True)
        rank_L = np.cumsum(count_L) - (count_L - 1) / 2  # mean rank of the rows at each level of probability
        rank_sum = float(rank_L[level_R[clicked_R]].sum())
        return (rank_sum - n_clicked * (n_clicked + 1) / 2) / (n_clicked * n_other)
