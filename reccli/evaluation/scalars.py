"""Metrics that are one number over rows (ratings, clicks), with intervals from resampling the users.

R rows, U users, S resamples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from reccli.errors import PluginError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ScalarMetric", "refuse_not_finite", "scalar_frame"]

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


class ScalarMetric(Protocol):
    """What rating and label metrics share: a number from truth and prediction."""

    def value(self, truth_R: Float64, prediction_R: Float64, /) -> float:
        """Return the metric over R rows."""


def refuse_not_finite(prediction_R: Float64, what: str) -> None:
    """Raise where a prediction is not finite.

    Raises:
        PluginError: With the count and the first row.
    """
    bad_R = ~np.isfinite(prediction_R)
    if bad_R.any():
        first = int(bad_R.argmax())
        raise PluginError(
            f"{int(bad_R.sum())} of {len(prediction_R)} {what} are not finite, the first one in row {first}",
            hint="reccli finetune --force",
        )


def scalar_frame(
    truth_R: Float64,
    prediction_R: Float64,
    user_R: Int64,
    metrics: Mapping[str, ScalarMetric],
    *,
    generator: np.random.Generator,
    n_resamples: int = 200,
    level: float = 0.95,
    jobs: int = 1,
) -> pl.DataFrame:
    """Return a row per metric: metric, k (null), value, low, high, n.

    Intervals are percentile bootstrap over users: a drawn user brings all its rows, because rows of one user are alike.

    Args:
        truth_R: True ratings or labels.
        prediction_R: Predictions.
        user_R: User of each row.
        metrics: Metrics by name.
        generator: Source of the draws; the result does not depend on `jobs`.
        n_resamples: Resamples (usual: 200; each one runs every metric once); 0 leaves the intervals out.
        level: Coverage of the intervals.
        jobs: Threads.
    """
    import polars as pl

    truth_R, prediction_R = np.asarray(truth_R, np.float64), np.asarray(prediction_R, np.float64)
    value_M = [float(metric.value(truth_R, prediction_R)) for metric in metrics.values()]
    low_M, high_M = _intervals(truth_R, prediction_R, user_R, metrics, generator, n_resamples, level, jobs)
    schema = {"metric": pl.String, "k": pl.UInt32, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
    rows = list(zip(metrics, [None] * len(metrics), value_M, low_M, high_M, strict=True))
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(n=pl.lit(len(truth_R), pl.UInt64))


def _intervals(
    truth_R: Float64,
    prediction_R: Float64,
    user_R: Int64,
    metrics: Mapping[str, ScalarMetric],
    generator: np.random.Generator,
    n_resamples: int,
    level: float,
    jobs: int,
) -> tuple[list[float | None], list[float | None]]:
    nothing: list[float | None] = [None] * len(metrics)
    if not n_resamples or not len(truth_R) or not metrics:
        return nothing, nothing
    from joblib import Parallel, delayed

    order_R = np.argsort(user_R, kind="stable")
    start_U = np.flatnonzero(np.diff(user_R[order_R], prepend=user_R[order_R[0]] - 1))
    length_U = np.diff(start_U, append=len(order_R))

    def once(own: np.random.Generator) -> list[float]:
        drawn_U = own.integers(len(start_U), size=len(start_U))
        length = length_U[drawn_U]
        index_R = np.repeat(start_U[drawn_U] - (np.cumsum(length) - length), length) + np.arange(length.sum())
        row_R = order_R[index_R]
        return [float(metric.value(truth_R[row_R], prediction_R[row_R])) for metric in metrics.values()]

    value_SM = np.array(Parallel(n_jobs=jobs, prefer="threads")(delayed(once)(g) for g in generator.spawn(n_resamples)))
    tail = (1 - level) / 2
    low_M, high_M = list(nothing), list(nothing)
    for column in range(len(metrics)):
        defined_S = value_SM[~np.isnan(value_SM[:, column]), column]
        if len(defined_S):
            low_M[column], high_M[column] = (float(end) for end in np.quantile(defined_S, [tail, 1 - tail]))
    return low_M, high_M
