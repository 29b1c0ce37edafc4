"""How far a mean over users, or a difference of two, could have come out otherwise: percentile bootstrap over users.

U users, M metric columns, G groups of users, B resamples of a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Differences", "Intervals", "bootstrap_means", "paired_differences"]

Float64 = npt.NDArray[np.float64]

MAX_GROUPS = 50_000
BLOCK = 64


@dataclass(frozen=True)
class Intervals:
    """Means with their percentile intervals, one entry per column.

    Args:
        value_M: Mean over the users for whom the column is defined.
        low_M: Lower end.
        high_M: Upper end.
        n_M: Users in the mean.
    """

    value_M: Float64
    low_M: Float64
    high_M: Float64
    n_M: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Differences(Intervals):
    """Mean differences of two runs over the same users.

    Args:
        p_M: Two-sided bootstrap p-value of "there is no difference"; at least 2 / (resamples + 1).
        real_M: Whether the interval leaves zero out.
    """

    p_M: Float64
    real_M: npt.NDArray[np.bool_]


def bootstrap_means(
    value_UM: Float64, *, generator: np.random.Generator, n_resamples: int = 1000, level: float = 0.95
) -> Intervals:
    r"""Return means over users with percentile bootstrap intervals.

    .. math:: [q_{(1 - l) / 2}, q_{(1 + l) / 2}] \text{ of } \bar{x}^* = \frac{\sum_u w_u x_u}{\sum_u w_u}, \;
        w \sim \text{Multinomial}(U, 1/U)

    with x a column of `value_UM`, l = `level`. All columns share the resamples. NaN values are left out of their
    column. More than 50,000 users are first put at random into 50,000 groups of nearly equal size, which are resampled
    instead: the mean stays exact, and the interval changes by less than the noise of 1,000 resamples.

    Args:
        value_UM: A value per user and metric.
        generator: Source of the draws.
        n_resamples: Resamples (usual: 1,000).
        level: Coverage of the interval, below 1.

    Paper:
        Efron, Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13.
    """
    mean_RM = np.concatenate(list(_resampled_means(value_UM, generator, n_resamples)))
    low_M, high_M = _percentiles(mean_RM, level)
    defined_UM = ~np.isnan(value_UM)
    return Intervals(_means(value_UM), low_M, high_M, defined_UM.sum(axis=0).astype(np.int64))


def paired_differences(
    value_UM: Float64,
    against_UM: Float64,
    *,
    generator: np.random.Generator,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> Differences:
    """Return how much higher the first run is than the second, over the same users in the same order.

    Each resample draws users, and takes both runs' values of a user together, so that what makes a user easy or hard
    for both cancels out. The p-value is twice the smaller share of resampled differences at or beyond zero, one added
    to each count.

    Args:
        value_UM: A value per user and metric of one run.
        against_UM: The same of the run to compare with.
        generator: Source of the draws.
        n_resamples: Resamples (usual: 1,000).
        level: Coverage of the interval.

    Raises:
        ValueError: The two differ in shape.

    Paper:
        Sakai: Evaluating evaluation metrics based on the bootstrap, SIGIR 2006, https://doi.org/10.1145/1148170.1148261
    """
    if value_UM.shape != against_UM.shape:
        raise ValueError(f"values of shape {value_UM.shape} against {against_UM.shape}")
    difference_UM = value_UM - against_UM
    mean_RM = np.concatenate(list(_resampled_means(difference_UM, generator, n_resamples)))
    low_M, high_M = _percentiles(mean_RM, level)
    below_M, above_M = (mean_RM <= 0).sum(axis=0), (mean_RM >= 0).sum(axis=0)
    p_M = np.minimum(1.0, 2.0 * (np.minimum(below_M, above_M) + 1) / (n_resamples + 1))
    n_M = (~np.isnan(difference_UM)).sum(axis=0).astype(np.int64)
    return Differences(_means(difference_UM), low_M, high_M, n_M, p_M, (low_M > 0) | (high_M < 0))


def _means(value_UM: Float64) -> Float64:
    defined_UM = ~np.isnan(value_UM)
    return _ratio(np.where(defined_UM, value_UM, 0.0).sum(axis=0), defined_UM.sum(axis=0))


def _ratio(sum_M: Float64, count_M: npt.NDArray[np.generic]) -> Float64:
    ratio = np.full(sum_M.shape, np.nan)
    np.divide(sum_M, count_M, out=ratio, where=np.asarray(count_M) > 0)
    return ratio


def _percentiles(mean_RM: Float64, level: float) -> tuple[Float64, Float64]:
    tail = (1 - level) / 2
    low_M, high_M = np.full(mean_RM.shape[1], np.nan), np.full(mean_RM.shape[1], np.nan)
    # A resample can miss all users of a column that few have; a column that nobody has stays NaN.
    some_M = ~np.isnan(mean_RM).all(axis=0)
    if some_M.any():
        low_M[some_M], high_M[some_M] = np.nanquantile(mean_RM[:, some_M], [tail, 1 - tail], axis=0)
    return low_M, high_M


def _resampled_means(value_UM: Float64, generator: np.random.Generator, n_resamples: int) -> Iterator[Float64]:
    sum_GM, count_GM = _groups(value_UM, generator)
    n_groups = len(sum_GM)
    for first in range(0, n_resamples, BLOCK):
        rows = min(BLOCK, n_resamples - first)
        if not n_groups:
            yield np.full((rows, value_UM.shape[1]), np.nan)
            continue
        drawn_BG = generator.integers(n_groups, size=(rows, n_groups))
        drawn_BG += np.arange(rows)[:, None] * n_groups
        weight_BG = np.bincount(drawn_BG.ravel(), minlength=rows * n_groups).reshape(rows, n_groups).astype(np.float64)
        yield _ratio(weight_BG @ sum_GM, weight_BG @ count_GM)


def _groups(value_UM: Float64, generator: np.random.Generator) -> tuple[Float64, Float64]:
    defined_UM = (~np.isnan(value_UM)).astype(np.float64)
    filled_UM = np.where(defined_UM > 0, value_UM, 0.0)
    n_users = len(value_UM)
    if n_users <= MAX_GROUPS:
        return filled_UM, defined_UM
    order_U = generator.permutation(n_users)
    start_G = np.linspace(0, n_users, MAX_GROUPS + 1).astype(np.int64)[:-1]
    return np.add.reduceat(filled_UM[order_U], start_G), np.add.reduceat(defined_UM[order_U], start_G)
