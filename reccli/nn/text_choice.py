"""Whether and how much an estimate by texts counts, chosen on items left out of training.

I items, D text vector, J items left out, H users with some of them, R components, S and T score vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reccli.api.data import Histories
from reccli.nn.text_estimate import SpectralEstimate
from reccli.nn.text_head import RidgeHead, popularity_slope, tilted_items, tilted_users
from reccli.nn.text_left_out import Generator, LeftOut, leave_out
from reccli.nn.text_pooling import interaction_weights, pool_histories

__all__ = ["FittedEstimate", "fit_estimate"]

SCALES = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
TILTS = (0.0, 0.1, 0.2, 0.4)
FEATURES = ((0.0, 0.0), (1.0, 0.0), (0.0, 0.6))  # lengths of the vectors of words and of numbers
SOME = 256


@dataclass(frozen=True)
class FittedEstimate:
    """An estimate, and the head and tilt that go with it.

    Args:
        estimate: Fitted, or without numbers.
        head_DD: To be added to the identity.
        tilt_D: Gives, by a product with a text vector, what to add to an item's cosine for its popularity.
        story: One line for people.
    """

    estimate: SpectralEstimate
    head_DD: Tensor
    tilt_D: Tensor
    story: str


def fit_estimate(
    base_ID: Tensor, texts: Sequence[str], train: Histories, head: RidgeHead, numpy_generator: Generator
) -> FittedEstimate:
    """Fit an estimate, with the weight that ranks items left out best; one without numbers where none helps.

    Args:
        base_ID: Centred text vectors.
        texts: The texts.
        train: Training interactions.
        head: What was chosen without an estimate, and stays where none helps; with one the cosine is the plain one.
        numpy_generator: Gives a generator by name.
    """
    estimate = SpectralEstimate(train)
    drawn = leave_out(train, numpy_generator)
    if not drawn:
        return FittedEstimate(estimate, head.head_DD, head.tilt_D, head.story)
    tried = [_Tried.of(base_ID, texts, drawn, features, numpy_generator) for features in FEATURES]
    best = max(tried, key=lambda one: one.value)
    if not best.scale or best.value <= head.value:
        return FittedEstimate(estimate, head.head_DD, head.tilt_D, head.story)
    words, numbers = best.features
    scale = best.scale * best.unit
    estimate.fit(base_ID, texts, scale=scale, words=words, numbers=numbers, numpy_generator=numpy_generator)
    tilt = best.tilt
    by = "words too" if words else "numbers too" if numbers else "sentences"
    story = (
        f"head: beside the frozen vectors, places in the spectrum told by the texts ({best.scale:g}, by {by}) and "
        f"popularity ({tilt:g}; ndcg@20 {best.value:.3f} on items left out, {head.plain:.3f} without)"
    )
    return FittedEstimate(estimate, torch.zeros_like(head.head_DD), tilt * popularity_slope(base_ID, train), story)


@dataclass(frozen=True)
class _Tried:
    """The best scale and tilt for lengths of words and numbers, how these rank, and what one unit of scale is."""

    features: tuple[float, float]
    scale: float
    tilt: float
    value: float
    unit: float

    @classmethod
    def of(
        cls,
        base_ID: Tensor,
        texts: Sequence[str],
        drawn: Sequence[LeftOut],
        features: tuple[float, float],
        numpy_generator: Generator,
    ) -> _Tried:
        found = [_values(base_ID, texts, left, features, numpy_generator) for left in drawn]
        values = {key: sum(values[key] for values, _ in found) / len(found) for key in found[0][0]}
        scale, tilt = max(values, key=lambda key: values[key])
        return cls(features, scale, tilt, values[scale, tilt], sum(unit for _, unit in found) / len(found))


def _values(
    base_ID: Tensor, texts: Sequence[str], left: LeftOut, features: tuple[float, float], numpy_generator: Generator
) -> tuple[dict[tuple[float, float], float], float]:
    """Return NDCG@20 for each scale and tilt, and what makes the estimate's scores as spread as the cosines."""
    estimate = SpectralEstimate(left.kept)
    words, numbers = features
    estimate.fit(base_ID, texts, scale=1.0, words=words, numbers=numbers, numpy_generator=numpy_generator, folds=0)
    user_HS = tilted_users(pool_histories(left.history, interaction_weights(left.history), base_ID))
    past_HR = estimate.of_histories(left.history)
    item_JD, item_JR = base_ID[left.item_J], estimate.item_IR[left.item_J]
    cosine_HJ = user_HS[:SOME] @ tilted_items(item_JD, torch.zeros(len(item_JD))).T
    unit = float(cosine_HJ.std() / (past_HR[:SOME] @ item_JR.T).std().clamp_min(1e-12))
    popular_J = item_JD @ popularity_slope(base_ID, left.kept)
    user_HT = torch.cat([user_HS, past_HR], dim=1)
    values = {}
    for tilt in TILTS:
        item_JS = tilted_items(item_JD, tilt * popular_J)
        for scale in SCALES:
            values[scale, tilt] = left.value(user_HT, torch.cat([item_JS, scale * unit * item_JR], dim=1))
    return values, unit
