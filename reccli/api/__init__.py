"""THE plugin contract: everything that a component author needs, and nothing else.

A component imports from `reccli.api`, `reccli.errors` and `reccli.nn` only, the built-in ones included. Names are
loaded on first use, so that importing this package (or a reader or metric, which need no tensors) never imports torch.

Stability: names in `__all__` keep their meaning within one `API_VERSION`; what is added has defaults.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reccli.api.auxiliary import Auxiliary
    from reccli.api.batch import Batch, LossInputs, LossOutput, Negatives, UserGroups
    from reccli.api.component import Component, ComponentSettings, Context
    from reccli.api.data import Histories, TrainingData
    from reccli.api.encoder import Encoder
    from reccli.api.loss import Loss
    from reccli.api.metric import CatalogueMetric, LabelMetric, Metric, RankingMetric, RatingMetric
    from reccli.api.needs import Needs
    from reccli.api.objective import Objective, Pretrained
    from reccli.api.reader import Reader, Table
    from reccli.api.sampler import Sampler
    from reccli.api.search import Choices, Range
    from reccli.api.similarity import Similarity
    from reccli.api.vectors import MixedVectors
    from reccli.api.walk import Walk

API_VERSION = 1

_HOMES = {
    "Auxiliary": "auxiliary",
    "Batch": "batch",
    "CatalogueMetric": "metric",
    "Choices": "search",
    "Component": "component",
    "ComponentSettings": "component",
    "Context": "component",
    "Encoder": "encoder",
    "Histories": "data",
    "LabelMetric": "metric",
    "Loss": "loss",
    "LossInputs": "batch",
    "LossOutput": "batch",
    "Metric": "metric",
    "MixedVectors": "vectors",
    "Needs": "needs",
    "Negatives": "batch",
    "Objective": "objective",
    "Pretrained": "objective",
    "Range": "search",
    "RankingMetric": "metric",
    "RatingMetric": "metric",
    "Reader": "reader",
    "Sampler": "sampler",
    "Similarity": "similarity",
    "Table": "reader",
    "TrainingData": "data",
    "UserGroups": "batch",
    "Walk": "walk",
}

__all__ = [
    "API_VERSION",
    "Auxiliary",
    "Batch",
    "CatalogueMetric",
    "Choices",
    "Component",
    "ComponentSettings",
    "Context",
    "Encoder",
    "Histories",
    "LabelMetric",
    "Loss",
    "LossInputs",
    "LossOutput",
    "Metric",
    "MixedVectors",
    "Needs",
    "Negatives",
    "Objective",
    "Pretrained",
    "Range",
    "RankingMetric",
    "RatingMetric",
    "Reader",
    "Sampler",
    "Similarity",
    "Table",
    "TrainingData",
    "UserGroups",
    "Walk",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"reccli.api.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'reccli.api' has no attribute '{name}'")
