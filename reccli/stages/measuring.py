"""Measuring one run on a held-out part: lists, ratings or clicks.

U users, K list length, R rows, D embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reccli import registry
from reccli.api import Histories
from reccli.api.metric import CatalogueMetric, LabelMetric, Metric, RankingMetric, RatingMetric
from reccli.errors import ConfigError, DataError
from reccli.evaluation.auc import auc_from_ranks
from reccli.evaluation.calibration import Calibration
from reccli.evaluation.ctr import evaluate_labels
from reccli.evaluation.ranking import RankingScores, distinct, evaluate_catalogue, evaluate_ranking
from reccli.evaluation.ratings import evaluate_ratings
from reccli.evaluation.slices import keep_items
from reccli.evaluation.summary import slice_scores, summarise
from reccli.retrieval.topk import search
from reccli.settings import EvaluateSettings
from reccli.stages.serving import Served, popularity_scores

if TYPE_CHECKING:
    import polars as pl

__all__ = ["AUC", "Chosen", "Measured", "chosen_metrics", "measure"]

AUC = "auc"
KINDS: dict[str, tuple[type[Metric], ...]] = {
    "ranking": (RankingMetric, CatalogueMetric),
    "rating": (RatingMetric, RankingMetric, CatalogueMetric),
    "ctr": (LabelMetric,),
}


@dataclass(frozen=True)
class Chosen:
    """Metrics by kind and name."""

    ranking: Mapping[str, RankingMetric]
    catalogue: Mapping[str, CatalogueMetric]
    rating: Mapping[str, RatingMetric]
    label: Mapping[str, LabelMetric]
    with_auc: bool


@dataclass(frozen=True)
class Measured:
    """What one run scored.

    Args:
        table: Columns metric, k, slice, value, low, high, n.
        scores: Values per user (None without a ranking).
        popularity_users: Evaluated users that got the popularity list.
    """

    table: pl.DataFrame
    scores: RankingScores | None
    popularity_users: int


def chosen_metrics(names: Sequence[str], task: str) -> Chosen:
    """Load the metrics asked for, or all that fit the task.

    Raises:
        ConfigError: A metric does not fit the task.
    """
    found: dict[str, Metric] = {}
    for name in names or registry.names("metric"):
        metric = registry.create("metric", name)
        is_ranking_auc = name == AUC and task != "ctr"
        if isinstance(metric, KINDS[task]) or is_ranking_auc:
            found[name] = metric
        elif names:
            fitting = [
                other for other in registry.names("metric") if issubclass(registry.load("metric", other), KINDS[task])
            ]
            raise ConfigError(f"metric '{name}' does not fit the task {task} ({', '.join(fitting)})")

    def of_kind(kind: type[Any]) -> dict[str, Any]:
        return {name: metric for name, metric in found.items() if isinstance(metric, kind)}

    return Chosen(
        ranking=of_kind(RankingMetric),
        catalogue=of_kind(CatalogueMetric),
        rating=of_kind(RatingMetric),
        label=of_kind(LabelMetric) if task == "ctr" else {},
        with_auc=AUC in found and task != "ctr",
    )


def measure(served: Served, settings: EvaluateSettings, metrics: Chosen, generator: np.random.Generator) -> Measured:
    """Measure a run on the held-out part.

    Raises:
        DataError: No held-out interaction is left.
    """
    import polars as pl

    held = served.prepared.histories(settings.split)
    if not len(held):
        raise DataError(f"the {settings.split} part is empty", hint="reccli prepare with another --split or --ratios")
    tables: list[pl.DataFrame] = []
    scores, fallback = None, 0
    if metrics.rating or metrics.label:
        tables.append(_measure_values(served, held, settings, metrics, generator))
    if metrics.ranking or metrics.catalogue or metrics.with_auc:
        table, scores, fallback = _measure_lists(served, held, settings, metrics, generator)
        tables.append(table)
    return Measured(pl.concat(tables, how="diagonal"), scores, fallback)


def _measure_values(
    served: Served, held: Histories, settings: EvaluateSettings, metrics: Chosen, generator: np.random.Generator
) -> pl.DataFrame:
    import polars as pl

    user_R, item_R = held.user_E, held.item_E
    score_R = served.pair_scores(user_R, item_R)
    options = {"generator": generator, "n_resamples": settings.resamples, "level": settings.confidence}
    if metrics.label:
        probability_R = Calibration.from_facts(served.facts.get("calibration")).probabilities(score_R)
        table = evaluate_labels(held.value_E, probability_R, user_R, metrics.label, **options)  # type: ignore[arg-type]
    else:
        low, high = served.facts.get("value_range", (-np.inf, np.inf))
        table = evaluate_ratings(held.value_E, score_R.clip(low, high), user_R, metrics.rating, **options)  # type: ignore[arg-type]
    return table.with_columns(slice=pl.lit("all"))


def _measure_lists(
    served: Served, held: Histories, settings: EvaluateSettings, metrics: Chosen, generator: np.random.Generator
) -> tuple[pl.DataFrame, RankingScores, int]:
    import polars as pl

    train = served.prepared.histories("train")
    count_I = np.bincount(train.item_E, minlength=train.n_items)
    known_I = np.bincount(served.histories.item_E, minlength=train.n_items) > 0
    candidate_I = {"all": np.ones(len(count_I), np.bool_), "warm": count_I > 0, "cold": ~known_I}[settings.candidates]
    held = distinct(keep_items(held, candidate_I) if settings.candidates != "all" else held)
    if not len(held):
        raise DataError(
            f"no held-out interaction with {settings.candidates} items", hint="reccli evaluate --candidates all"
        )
    chosen = np.flatnonzero(held.length_U > 0)
    item_VK, auc_V, fallback = _lists(served, held.rows(chosen), chosen, candidate_I, settings, metrics.with_auc)
    item_UK = np.full((held.n_users, item_VK.shape[1]), -1, np.int64)
    item_UK[chosen] = item_VK
    scores = evaluate_ranking(item_UK, held, metrics.ranking, settings.ks)
    by_slice = slice_scores(scores, item_UK, held, train, metrics.ranking, settings.ks)
    if auc_V is not None:
        auc_U = np.full(held.n_users, np.nan)
        auc_U[chosen] = auc_V
        scores = scores.with_column(AUC, auc_U)
        by_slice["all"] = scores
    table = summarise(by_slice, generator=generator, n_resamples=max(settings.resamples, 1), level=settings.confidence)
    if settings.resamples == 0:
        table = table.with_columns(low=pl.lit(None, pl.Float64), high=pl.lit(None, pl.Float64))
    if metrics.catalogue:
        catalogue = evaluate_catalogue(item_VK, train, metrics.catalogue, settings.ks)
        table = pl.concat([table, catalogue.with_columns(slice=pl.lit("all"))], how="diagonal")
    return table, scores, fallback


def _lists(
    served: Served,
    held: Histories,
    chosen: npt.NDArray[np.int64],
    candidate_I: npt.NDArray[np.bool_],
    settings: EvaluateSettings,
    with_auc: bool,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64] | None, int]:
    """Return lists and AUC of the users to evaluate; those the run cannot serve get the popularity list.

    Items that the run has no vector for are never listed; the AUC is over the items that it can score.
    """
    k = max(settings.ks)
    seen = served.histories.rows(chosen)
    allowed_I = candidate_I & served.reachable_I
    pairs = held if with_auc else None
    found = served.lists(chosen, k=k, seen=seen, allowed_I=allowed_I, pairs=pairs)
    item_VK = found.item_UK
    auc_V = None
    if found.ranks is not None:
        auc_V = auc_from_ranks(held, found.ranks.above_E, found.ranks.tied_E, found.ranks.candidates_U)
    unserved = np.flatnonzero(~served.reachable_U[chosen])
    if len(unserved):
        one_VD = np.ones((len(unserved), 1), np.float32)
        some_pairs = held.rows(unserved) if with_auc else None
        popular = search(
            one_VD,
            popularity_scores(served.histories),
            seen=seen.rows(unserved),
            pairs=some_pairs,
            k=k,
            allowed_I=allowed_I,
            device=served.device,
        )
        item_VK[unserved] = popular.item_UK
        if auc_V is not None and popular.ranks is not None and some_pairs is not None:
            ranks = popular.ranks
            auc_V[unserved] = auc_from_ranks(some_pairs, ranks.above_E, ranks.tied_E, ranks.candidates_U)
    return item_VK, auc_V, len(unserved)
