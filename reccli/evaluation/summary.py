"""The table of a ranking evaluation: every metric, overall and on slices of users and items, with intervals.

U users, K list length, M metric-and-k pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reccli.api import Histories, RankingMetric
from reccli.evaluation.bootstrap import Differences, bootstrap_means, paired_differences
from reccli.evaluation.ranking import RankingScores, evaluate_ranking
from reccli.evaluation.slices import item_slices, keep_items, user_slices

if TYPE_CHECKING:
    import polars as pl

__all__ = ["compare", "slice_scores", "summarise"]

Int64 = npt.NDArray[np.int64]


def slice_scores(
    scores: RankingScores,
    item_UK: Int64,
    held: Histories,
    train: Histories,
    metrics: Mapping[str, RankingMetric],
    ks: Sequence[int],
) -> dict[str, RankingScores]:
    """Return the scores of the slice `all`, of the user slices and of the item slices, by slice name.

    A user slice has the scores of its users. An item slice scores the same lists on the held-out pairs whose item is in
    it alone, over the users who have such a pair; metrics of the whole ranking (k None) are left out there.

    Args:
        scores: Scores over all users, of `evaluate_ranking`.
        item_UK: Item codes, best first.
        held: Held-out interactions, rows aligned with the lists.
        train: Training interactions, rows aligned with the lists.
        metrics: Metrics by name, for the item slices.
        ks: Cut-offs, for the item slices.
    """
    by_slice = {"all": scores}
    for name, chosen_U in user_slices(train.length_U).items():
        by_slice[name] = scores.only(chosen_U)
    count_I = np.bincount(train.item_E, minlength=train.n_items)
    for name, keep_I in item_slices(count_I).items():
        by_slice[name] = evaluate_ranking(item_UK, keep_items(held, keep_I), metrics, ks)
    return by_slice


def summarise(
    by_slice: Mapping[str, RankingScores],
    *,
    generator: np.random.Generator,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> pl.DataFrame:
    """Return metric, k, slice, value, low, high, n: a row per metric and k of each slice that has users.

    Intervals are those of `bootstrap.bootstrap_means`; null where fewer than two users are in the mean.
    """
    import polars as pl

    schema = {
        "metric": pl.String,
        "k": pl.UInt32,
        "slice": pl.String,
        "value": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "n": pl.UInt64,
    }
    rows = []
    for (name, scores), own in zip(by_slice.items(), generator.spawn(len(by_slice)), strict=True):
        interval = bootstrap_means(scores.value_VM, generator=own, n_resamples=n_resamples, level=level)
        for column, (metric, k) in enumerate(scores.names_M):
            n = int(interval.n_M[column])
            ends = (float(interval.low_M[column]), float(interval.high_M[column])) if n > 1 else (None, None)
            if n:
                rows.append((metric, k, name, float(interval.value_M[column]), *ends, n))
    return pl.DataFrame(rows, schema=schema, orient="row")


def compare(
    scores: RankingScores,
    against: RankingScores,
    *,
    generator: np.random.Generator,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> pl.DataFrame:
    """Return how much higher one run is than another: metric, k, difference, low, high, p, real, n.

    Over the users that both runs were evaluated on, and the metrics that both have; `bootstrap.paired_differences`.
    """
    import polars as pl

    _, mine, other = np.intersect1d(scores.user_V, against.user_V, assume_unique=True, return_indices=True)
    names = [name for name in scores.names_M if name in against.names_M]
    found: Differences = paired_differences(
        scores.value_VM[mine][:, [scores.names_M.index(name) for name in names]],
        against.value_VM[other][:, [against.names_M.index(name) for name in names]],
        generator=generator,
        n_resamples=n_resamples,
        level=level,
    )
    return pl.DataFrame(
        {
            "metric": pl.Series([metric for metric, _ in names], dtype=pl.String),
            "k": pl.Series([k for _, k in names], dtype=pl.UInt32),
            "difference": found.value_M,
            "low": found.low_M,
            "high": found.high_M,
            "p": found.p_M,
            "real": found.real_M,
            "n": found.n_M.astype(np.uint64),
        }
    )
