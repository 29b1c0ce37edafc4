"""The training data as components see it, the same when training and when a run is opened again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories, TrainingData
from reccli.artifacts import Prepared

__all__ = ["component_data", "positives", "predicts_future"]

FUTURE = ("temporal", "leave-one-out", "global-time")


def predicts_future(prepared: Prepared) -> bool:
    """Return whether there is an order and the split hides what came later, so that order may be learned from.

    After a random split the hidden rows lie between the known ones: what is newest says nothing about them. Of parts
    that were given, `prepare` has looked (`future`).
    """
    split = prepared.version.manifest.facts.get("split", {})
    if not isinstance(split, Mapping):
        return prepared.ordered and str(split) in FUTURE
    return prepared.ordered and (split.get("method", "temporal") in FUTURE or bool(split.get("future", False)))


def component_data(
    prepared: Prepared,
    task: str,
    *,
    parts: tuple[str, ...] = ("train",),
    features: dict[str, npt.NDArray[np.float32]] | None = None,
) -> TrainingData:
    """Return the data of some parts for a run of some task; clicks alone where labels are to be ranked by."""
    data = prepared.training_data(*parts, task=task, features=features)
    return replace(data, train=positives(data.train, prepared.task, task), ordered=predicts_future(prepared))


def positives(histories: Histories, data_task: str, run_task: str) -> Histories:
    """Return the interactions that a run takes as positives: all, or of click logs that are ranked the clicks."""
    if data_task != "ctr" or run_task != "ranking":
        return histories
    kept_E = histories.value_E > 0
    count_U = np.bincount(histories.user_E[kept_E], minlength=histories.n_users)
    return Histories(
        np.concatenate([[0], np.cumsum(count_U)]).astype(np.int64),
        histories.item_E[kept_E],
        histories.value_E[kept_E],
        histories.weight_E[kept_E],
        histories.time_E[kept_E],
        histories.n_items,
    )
