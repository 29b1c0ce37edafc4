"""What fits together learns a world whose answer is known, the rest is refused.

Every encoder meets every loss and every sampler, and every loss every sampler, with one of the encoders in turn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reccli import registry
from reccli.api import Context, Similarity
from reccli.errors import ConfigError
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control
from reccli.testing import checkerboard, held_out_first
from reccli.training.finetuning import FinetuneTask
from reccli.training.loop import train
from reccli.training.loss_sum import build_loss
from reccli.training.model import ScoringModel
from reccli.training.resolving import resolve
from reccli.training.task import Plan

ENCODERS = ("history", "lightgcn", "mf")
CLOSED = ("als", "popularity", "spectral")
LOSSES = registry.names("loss")
SAMPLERS = registry.names("sampler")
SIMILARITIES = ("dot", "cosine", "euclidean")
ENCODER_AND_LOSS = [(encoder, loss, None) for encoder in ENCODERS for loss in LOSSES]
ENCODER_AND_SAMPLER = [(encoder, "infonce", sampler) for encoder in ENCODERS for sampler in SAMPLERS]
LOSS_AND_SAMPLER = [
    (ENCODERS[(row + column) % len(ENCODERS)], loss, sampler)
    for row, loss in enumerate(LOSSES)
    for column, sampler in enumerate(SAMPLERS)
]
TRIPLES = sorted({*ENCODER_AND_LOSS, *ENCODER_AND_SAMPLER, *LOSS_AND_SAMPLER}, key=str)
# Of 16 items a large pool always has the answer, which nobody may know to be one; spreading 24 users evenly over a
# sphere of four dimensions tears their two tastes apart, as does a heavy weight of what is still too close.
SMALL_WORLD = {
    "dynamic": {"pool": 6, "count": 8, "share": 0.25},
    "directau": {"gamma": 0.1},
    "ccl": {"negative_weight": 2.0, "margin": 0.0},
}


def trained(settings: FinetuneSettings, task: str, *, ordered: bool = False) -> tuple[Any, Any]:
    world = checkerboard(users=24, items=16, task=task, texts=False, ordered=ordered)
    recipe = resolve(settings, task, world.data.provides(), n_items=16)
    kinds = [f"kind {item // 2 % 2}" for item in range(16)]  # across the tastes
    given, data = recipe.settings, replace(world.data, task=recipe.task, item_attributes={"category": kinds})
    context = Context(seed=3)
    encoder = registry.create("encoder", given.encoder, {**given.encoder_settings, "dim": 4, "start": "random"})
    encoder.setup(data, context)
    loss = build_loss(given.loss, given.loss_settings, recipe.task)
    model = ScoringModel(encoder, loss, Similarity(given.similarity), data)
    sampler = registry.create("sampler", given.sampler, given.sampler_settings) if given.sampler else None
    if sampler is not None:
        sampler.setup(data, context)
    finetune = FinetuneTask(model, sampler, data, None, context, batch_size=64)
    decay = 0.3 if recipe.task != "ranking" else 0.0  # a small world of ratings is soon known by heart
    train(finetune, Plan(epochs=60, batch_size=64, learning_rate=0.03, weight_decay=decay, seed=1), Control())
    return model, world


@pytest.mark.parametrize(("encoder", "loss", "sampler"), TRIPLES)
def test_ranks_what_was_held_out_first_or_is_refused(encoder: str, loss: str, sampler: str | None) -> None:
    small = {
        f"{kind}_settings": SMALL_WORLD.get(name or "", {}) for kind, name in (("loss", loss), ("sampler", sampler))
    }
    settings = FinetuneSettings(encoder=encoder, loss=loss, sampler=sampler, **small)
    component = registry.load("loss", loss)
    if "ratings" in component.needs_for("ranking"):
        with pytest.raises(ConfigError, match="needs ratings, which the data has not; losses that fit"):
            trained(settings, "ranking")
        return
    negatives = "negatives" in component.needs_for("ranking")
    foreign = sampler == "in-batch" and not component.in_batch
    foreign |= sampler not in (None, "in-batch") and component.only_in_batch
    if sampler is not None and (not negatives or foreign):
        with pytest.raises(ConfigError, match="that fit: "):
            trained(settings, "ranking")
        return
    model, world = trained(settings, "ranking")
    assert held_out_first(model.user_vectors(world.data.train), model.item_vectors(), world) >= 0.8  # by chance: 0.11


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("loss", ["infonce+directau:0.03", "softmax+bpr"])
def test_sums_of_losses_learn_too(encoder: str, loss: str) -> None:
    model, world = trained(FinetuneSettings(encoder=encoder, loss=loss), "ranking")
    assert held_out_first(model.user_vectors(world.data.train), model.item_vectors(), world) >= 0.8


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_every_similarity_ends_as_a_dot_product(encoder: str, similarity: str) -> None:
    settings = FinetuneSettings(encoder=encoder, loss="infonce", similarity=similarity)
    model, world = trained(settings, "ranking")
    assert held_out_first(model.user_vectors(world.data.train), model.item_vectors(), world) >= 0.9


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(("task", "loss"), [("rating", "mse"), ("ctr", "bce")])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_values_are_predicted_by_the_stored_product(encoder: str, task: str, loss: str, similarity: str) -> None:
    model, world = trained(FinetuneSettings(encoder=encoder, loss=loss, similarity=similarity), task)
    user, item = model.user_vectors(world.data.train), model.item_vectors()
    score = (user[world.held_user_H] * item[world.held_item_H]).sum(1)
    assert held_out_first(user, item, world) >= 0.9
    if task == "rating":
        assert (abs(score - world.held_value_H) < 1.5).all()
    else:
        assert (score > 0).all()


def test_causal_history_learns_too() -> None:
    settings = FinetuneSettings(encoder="history", loss="infonce", encoder_settings={"order": "causal"})
    model, world = trained(settings, "ranking", ordered=True)
    assert held_out_first(model.user_vectors(world.data.train), model.item_vectors(), world) >= 0.9


@pytest.mark.parametrize("encoder", CLOSED)
@pytest.mark.parametrize(("kind", "name"), [*[("loss", name) for name in LOSSES], *[("sampler", s) for s in SAMPLERS]])
def test_closed_forms_refuse_training_with_the_reason(encoder: str, kind: str, name: str) -> None:
    with pytest.raises(ConfigError, match="solved in closed form") as refused:
        resolve(FinetuneSettings(**{"encoder": encoder, kind: name}), "ranking", frozenset({"history", "graph"}))
    assert "history" in str(refused.value)
    assert "mf" in str(refused.value)


def test_spectral_ranks_what_was_held_out_first() -> None:
    world = checkerboard(users=24, items=16)
    encoder = registry.create("encoder", "spectral", {"rank": 2, "exponent": 0.5})
    encoder.setup(world.data, Context())
    assert held_out_first(encoder.export_users(world.data.train), encoder.export_items(), world) == 1.0
