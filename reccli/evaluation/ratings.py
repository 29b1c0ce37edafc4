"""Rating metrics of held-out rows. R rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reccli.api import RatingMetric
from reccli.errors import DataError
from reccli.evaluation.scalars import refuse_not_finite, scalar_frame

if TYPE_CHECKING:
    import polars as pl

__all__ = ["evaluate_ratings"]


def evaluate_ratings(
    target_R: npt.NDArray[np.floating],
    prediction_R: npt.NDArray[np.floating],
    user_R: npt.NDArray[np.int64],
    metrics: Mapping[str, RatingMetric],
    *,
    generator: np.random.Generator,
    n_resamples: int = 200,
    level: float = 0.95,
    jobs: int = 1,
) -> pl.DataFrame:
    """Return a row per metric: metric, k (null), value, low, high, n; see `scalars.scalar_frame`.

    Raises:
        DataError: There is no row.
        PluginError: A prediction is not finite.
        ValueError: The columns differ in length.
    """
    if not len(target_R) == len(prediction_R) == len(user_R):
        raise ValueError(f"{len(target_R)} ratings, {len(prediction_R)} predictions, {len(user_R)} users")
    if not len(target_R):
        raise DataError("no held-out rating to evaluate on", hint="reccli prepare --split random")
    refuse_not_finite(np.asarray(prediction_R, np.float64), "predicted ratings")
    return scalar_frame(
        np.asarray(target_R, np.float64),
        np.asarray(prediction_R, np.float64),
        user_R,
        metrics,
        generator=generator,
        n_resamples=n_resamples,
        level=level,
        jobs=jobs,
    )
