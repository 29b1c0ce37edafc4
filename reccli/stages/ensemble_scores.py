"""What an ensemble is worth on validation under many weightings at once: each run is asked once.

U users, V users validated on, K list length, M members, R held-out rows, W weightings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reccli.api.component import Context
from reccli.evaluation.calibration import Calibration
from reccli.evaluation.ranking import distinct, evaluate_ranking
from reccli.retrieval.fusion import fused_top_k
from reccli.stages.ensemble import Ensemble
from reccli.stages.weighted_lists import WeightedLists
from reccli.training.validation import VALIDATION_USERS, drawn_users, parse_metric

__all__ = ["validation_values"]

Measure = Callable[[Sequence[tuple[float, ...]]], npt.NDArray[np.float64]]


def validation_values(whole: Ensemble, metric: str) -> tuple[Measure, bool]:
    """Return what measures weightings on the validation part, and whether more is better.

    Rankings are whole: no item is left out but those that are known or out of reach. Of more than 5,000 users as many
    are drawn, those that the first run was validated on. Users that no run serves are left out: weights do not move
    their lists.

    Args:
        whole: The runs, as of before the validation part; its weights do not count.
        metric: As `ndcg@10`.

    Returns:
        A function from weightings to values, W; and the direction.
    """
    task = str(whole.facts.get("task", "ranking"))
    found, k = parse_metric(metric, task)
    higher = bool(found.higher_is_better)
    if k is None:
        return _of_values(whole, found, task), higher
    if whole.mix == "rank":
        return _of_ranks(whole, found, k), higher
    return _of_scores(whole, found, k), higher


def _users(whole: Ensemble) -> npt.NDArray[np.int64]:
    """Return whom the first run was validated on, so that what it has alone is what its training said."""
    draw = Context(seed=whole.members[0].version.manifest.seed or 0).numpy_generator(VALIDATION_USERS)
    user_V = drawn_users(whole.prepared.histories("valid"), draw)
    return user_V[whole.reachable_U[user_V]]


def _mean(whole: Ensemble, metric: Any, k: int, user_V: npt.NDArray[np.int64], item_VK: npt.NDArray[np.int64]) -> float:
    held = distinct(whole.prepared.histories("valid").rows(user_V))
    return evaluate_ranking(item_VK, held, {"metric": metric}, (k,)).mean("metric", k)


def _of_scores(whole: Ensemble, metric: Any, k: int) -> Measure:
    user_V = _users(whole)
    reach_MI = np.stack([member.reachable_I for member in whole.members])
    terms = [(users[user_V], items) for users, items in whole.terms()]
    lists = WeightedLists(terms, whole.histories.rows(user_V), reach_MI, k)

    def measure(points: Sequence[tuple[float, ...]]) -> npt.NDArray[np.float64]:
        return np.array([_mean(whole, metric, k, user_V, item_VK) for item_VK in lists.of(points)])

    return measure


def _of_ranks(whole: Ensemble, metric: Any, k: int) -> Measure:
    user_V = _users(whole)
    lists = whole.member_lists(user_V, k=k, seen=whole.histories.rows(user_V), allowed_I=whole.reachable_I)

    def measure(points: Sequence[tuple[float, ...]]) -> npt.NDArray[np.float64]:
        return np.array([_mean(whole, metric, k, user_V, fused_top_k(lists, point, k)[0]) for point in points])

    return measure


def _of_values(whole: Ensemble, metric: Any, task: str) -> Measure:
    held = whole.prepared.histories("valid")
    score_MR = np.stack([member.pair_scores(held.user_E, held.item_E) for member in whole.members])
    value_R = held.value_E.astype(np.float64)
    low, high = whole.facts.get("value_range", (-np.inf, np.inf))

    def measure(points: Sequence[tuple[float, ...]]) -> npt.NDArray[np.float64]:
        mixed = [np.asarray(point) @ score_MR for point in points]
        if task == "ctr":
            return np.array([float(metric.value(value_R, Calibration().probabilities(score_R))) for score_R in mixed])
        return np.array([float(metric.value(value_R, score_R.clip(low, high))) for score_R in mixed])

    return measure
