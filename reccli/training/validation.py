"""The validation metric of one epoch.

U users, I items, V users validated on, S stored vector, R rows, K list length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reccli import registry
from reccli.api.data import Histories
from reccli.api.metric import LabelMetric, RankingMetric, RatingMetric
from reccli.api.vectors import MixedVectors, pair_products
from reccli.errors import ConfigError, DivergedError, PluginError
from reccli.training.health import HealthSample
from reccli.training.model import ScoringModel

__all__ = ["MOST_USERS", "VALIDATION_USERS", "Validator", "check_finite", "drawn_users", "parse_metric"]

Stored = np.ndarray | MixedVectors
MOST_USERS = 5000
VALIDATION_USERS = "validation users"
"""Name of the draw of users, so that runs of one seed are measured on the same ones."""
KINDS: dict[str, tuple[type, str]] = {
    "ranking": (RankingMetric, "ndcg@10"),
    "rating": (RatingMetric, "rmse"),
    "ctr": (LabelMetric, "log-loss"),
}


def parse_metric(text: str, task: str) -> tuple[Any, int | None]:
    """Return the metric and its cut-off, as `ndcg@10` or `rmse`.

    Raises:
        ConfigError: It does not exist, does not fit the task, or its cut-off is missing or wrong.
    """
    name, at, cut = text.partition("@")
    metric = registry.create("metric", name)
    kind, example = KINDS[task]
    if not isinstance(metric, kind) and not (task == "rating" and isinstance(metric, RankingMetric)):
        fitting = [other for other in registry.names("metric") if issubclass(registry.load("metric", other), kind)]
        raise ConfigError(
            f"metric '{text}' does not fit the task {task} ({', '.join(fitting)})", hint=f"--metric {example}"
        )
    if isinstance(metric, RankingMetric):
        if not cut.isdigit() or int(cut) < 1:
            raise ConfigError(f"metric '{text}' needs a list length of at least 1", hint=f"--metric {name}@10")
        return metric, int(cut)
    if at:
        raise ConfigError(f"metric '{text}' has no list length", hint=f"--metric {name}")
    if getattr(metric, "higher_is_better", None) is None:
        raise ConfigError(f"metric '{text}' has no better or worse", hint=f"--metric {example}")
    return metric, None


def check_finite(model: ScoringModel, user_US: Stored, item_IS: Stored) -> None:
    """Refuse vectors that cannot be searched: of a training that has run away, or of an encoder that is broken.

    Raises:
        DivergedError: A number in them is not finite.
        PluginError: Users and items have vectors of different lengths.
    """
    if user_US.shape[1] != item_IS.shape[1]:
        name = type(model.encoder).__name__
        raise PluginError(
            f"encoder '{name}' exports users of {user_US.shape[1]} numbers and items of {item_IS.shape[1]}",
            hint="its author can check it with reccli.testing.EncoderConformance",
        )
    for name, vectors in (("user", user_US), ("item", item_IS)):
        finite = vectors.finite if isinstance(vectors, MixedVectors) else np.isfinite(vectors).all()
        if not finite:
            hint = None if model.loss is None else "lower the rate: --learning-rate"
            raise DivergedError(f"{name} vectors are not finite after training", hint=hint)


def drawn_users(held: Histories, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return whom to validate on: all with rows that are held out, or 5,000 of them."""
    user_V = np.flatnonzero(held.length_U > 0)
    if len(user_V) > MOST_USERS:
        user_V = np.sort(generator.choice(user_V, MOST_USERS, replace=False))
    return user_V


@dataclass
class Validator:
    """Computes one metric on the validation part.

    Args:
        name: Metric as asked for, `ndcg@10`.
        task: `ranking`, `rating` or `ctr`.
        train: Histories that users are known by; their items are left out of lists.
        held: The validation part; items that are all new to `train` are ranked among themselves.
        generator: Draws the users to validate on where there are more than 5,000.
        device: Where lists are searched.
        value_range: Lowest and highest rating, that predictions are cut to.
        health: Draws the users, items and pairs whose vectors' health is measured too; None for none.
    """

    name: str
    task: str
    train: Histories
    held: Histories
    generator: np.random.Generator
    device: str = "cpu"
    value_range: tuple[float, float] = (-np.inf, np.inf)
    health: np.random.Generator | None = None

    def __post_init__(self) -> None:
        self.metric, self.k = parse_metric(self.name, self.task)
        self.user_V = drawn_users(self.held, self.generator)
        self.sampled = len(self.user_V) < int((self.held.length_U > 0).sum())
        # Where all held-out items are new (a cold-item split) they are ranked among themselves: among all items, the
        # warm ones would drown what a cold item's vector is worth, and training would be chosen for its warm items.
        held_I = np.bincount(self.held.item_E, minlength=self.held.n_items) > 0
        known_I = np.bincount(self.train.item_E, minlength=self.held.n_items) > 0
        self.only_I = held_I if held_I.any() and not (held_I & known_I).any() else None
        self._sample: HealthSample | None = None

    def __call__(self, model: ScoringModel) -> dict[str, float]:
        """Return the metric by name, and numbers of health; empty where there is nothing to validate on.

        Raises:
            DivergedError: Vectors are not finite.
        """
        if not len(self.user_V):
            return {}
        measure: Callable[..., float] = self._values if self.k is None else self._lists
        user_VS, item_IS = self._users(model), model.item_vectors()
        check_finite(model, user_VS, item_IS)
        return {self.name: measure(user_VS, item_IS, model), **self._health(user_VS, item_IS, model)}

    @property
    def higher_is_better(self) -> bool:
        """Which way is better."""
        return bool(self.metric.higher_is_better)

    def _lists(self, user_VS: Stored, item_IS: Stored, model: ScoringModel) -> float:
        from reccli.evaluation.ranking import distinct, evaluate_ranking
        from reccli.retrieval.topk import top_k

        k = int(self.k or 1)
        allowed_I = None if model.warm_I is None else model.warm_I.numpy()
        if self.only_I is not None:
            allowed_I = self.only_I if allowed_I is None else self.only_I & allowed_I
        seen = self.train.rows(self.user_V)
        item_VK, _ = top_k(user_VS, item_IS, k=k, seen=seen, allowed_I=allowed_I, device=self.device)
        scores = evaluate_ranking(item_VK, distinct(self.held.rows(self.user_V)), {self.name: self.metric}, (k,))
        return scores.mean(self.name, k)

    def _health(self, user_VS: Stored, item_IS: Stored, model: ScoringModel) -> dict[str, float]:
        user_VD, item_ID = _embeddings(user_VS, model), _embeddings(item_IS, model)
        if self.health is None or user_VD is None or item_ID is None:
            return {}
        if self._sample is None:
            held = self.held.rows(self.user_V)
            positive_R = held.value_E > 0 if self.task == "ctr" else np.full(len(held), self.task == "ranking")
            pairs = (held.user_E[positive_R], held.item_E[positive_R])
            known_I = np.ones(len(item_ID), np.bool_) if model.warm_I is None else model.warm_I.numpy()
            self._sample = HealthSample.draw(len(user_VD), known_I, pairs, self.health)
        return self._sample(user_VD, item_ID)

    def predictions(self, model: ScoringModel) -> tuple[np.ndarray, np.ndarray]:
        """Return scores and values of the held-out rows of the users validated on, R."""
        return self._scores(self._users(model), model.item_vectors(), model)

    def _users(self, model: ScoringModel) -> Stored:
        folds = model.encoder.serves_new_users
        user_VS = model.user_vectors(self.train.rows(self.user_V) if folds else self.train)
        return user_VS if folds else user_VS[self.user_V]

    def _scores(self, user_VS: Stored, item_IS: Stored, model: ScoringModel) -> tuple[np.ndarray, np.ndarray]:
        held = self.held.rows(self.user_V)
        score_R = pair_products(user_VS[held.user_E], item_IS[held.item_E])
        score_R = score_R + model.pair_scores(self.user_V[held.user_E], held.item_E)
        return score_R, held.value_E.astype(np.float64)

    def _values(self, user_VS: Stored, item_IS: Stored, model: ScoringModel) -> float:
        score_R, value_R = self._scores(user_VS, item_IS, model)
        if self.task == "ctr":
            return float(self.metric.value(value_R, 1 / (1 + np.exp(-score_R))))
        return float(self.metric.value(value_R, score_R.clip(*self.value_range)))


def _embeddings(stored: Stored, model: ScoringModel) -> np.ndarray | None:
    """Return the encoder's part of stored vectors, without what euclidean similarity and predicted values add.

    None where dense vectors are not what a model scores by: it has sparse ones, or it reads pairs jointly.
    """
    if isinstance(stored, MixedVectors) or type(model.encoder).joint:
        return None
    added = (model.similarity.name == "euclidean") + 2 * (model.values is not None)
    return stored[:, : stored.shape[1] - added]
