"""Click metrics of held-out rows, and how well predicted probabilities match the clicks at each level. R rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reccli.api import LabelMetric
from reccli.errors import DataError, PluginError
from reccli.evaluation.scalars import refuse_not_finite, scalar_frame

if TYPE_CHECKING:
    import polars as pl

__all__ = ["calibration", "evaluate_labels"]

Float = npt.NDArray[np.floating]


def evaluate_labels(
    label_R: Float,
    probability_R: Float,
    user_R: npt.NDArray[np.int64],
    metrics: Mapping[str, LabelMetric],
    *,
    generator: np.random.Generator,
    n_resamples: int = 200,
    level: float = 0.95,
    jobs: int = 1,
) -> pl.DataFrame:
    """Return a row per metric: metric, k (null), value, low, high, n; see `scalars.scalar_frame`.

    Raises:
        DataError: There is no row, or a label is neither 0 nor 1.
        PluginError: A prediction is no probability.
        ValueError: The columns differ in length.
    """
    if not len(label_R) == len(probability_R) == len(user_R):
        raise ValueError(f"{len(label_R)} labels, {len(probability_R)} predictions, {len(user_R)} users")
    if not len(label_R):
        raise DataError("no held-out row to evaluate on", hint="reccli prepare --split random")
    label, probability = _checked(label_R, probability_R)
    return scalar_frame(
        label, probability, user_R, metrics, generator=generator, n_resamples=n_resamples, level=level, jobs=jobs
    )


def calibration(label_R: Float, probability_R: Float, *, n_bins: int = 10) -> pl.DataFrame:
    r"""Return predicted against actual click rate at each level: bin, n, predicted, actual, ratio.

    .. math:: \text{ratio}_b = \frac{\sum_{r \in b} p_r}{\sum_{r \in b} y_r}

    with p = `probability_R`, y = `label_R`. Bins hold equally many rows, in order of probability; rows of one
    probability are never parted, so there can be fewer bins. The ratio is null where a bin has no click.

    Args:
        label_R: 0 or 1.
        probability_R: Predicted probabilities.
        n_bins: Most bins.

    Raises:
        DataError: A label is neither 0 nor 1.
        PluginError: A prediction is no probability.
    """
    import polars as pl

    label, probability = _checked(label_R, probability_R)
    _, level_R = np.unique(probability, return_inverse=True)
    end_L = np.cumsum(np.bincount(level_R))  # rows up to each distinct probability
    middle_L = end_L - np.bincount(level_R) / 2 if len(end_L) else end_L
    wanted_L = np.floor(middle_L * n_bins / max(len(label), 1)).astype(np.int64)
    _, bin_L = np.unique(wanted_L, return_inverse=True)
    bin_R = bin_L[level_R]
    n_B = np.bincount(bin_R).astype(np.uint64)
    expected_B, clicks_B = np.bincount(bin_R, weights=probability), np.bincount(bin_R, weights=label)
    return pl.DataFrame(
        {
            "bin": np.arange(len(n_B), dtype=np.uint32),
            "n": n_B,
            "predicted": expected_B / n_B,
            "actual": clicks_B / n_B,
        }
    ).with_columns(ratio=pl.when(pl.col("actual") > 0).then(pl.col("predicted") / pl.col("actual")))


def _checked(label_R: Float, probability_R: Float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    label, probability = np.asarray(label_R, np.float64), np.asarray(probability_R, np.float64)
    wrong_R = (label != 0) & (label != 1)
    if wrong_R.any():
        raise DataError(
            f"{int(wrong_R.sum())} of {len(label)} labels are neither 0 nor 1, as {label[wrong_R.argmax()]:g}"
        )
    refuse_not_finite(probability, "predicted probabilities")
    outside_R = (probability < 0) | (probability > 1)
    if outside_R.any():
        raise PluginError(
            f"{int(outside_R.sum())} of {len(probability)} predicted probabilities are outside [0, 1], "
            f"as {probability[outside_R.argmax()]:g}"
        )
    return label, probability
