"""Recency: conformance, the pooled vector by a slow loop, no look at the future, words, and the known world."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from reccli import registry
from reccli.api import Context, Histories, Similarity, TrainingData
from reccli.encoders.recency import Recency
from reccli.errors import ConfigError
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control
from reccli.testing import EncoderConformance, checkerboard, held_out_first
from reccli.testing.inputs import batch_of
from reccli.training.finetuning import FinetuneTask
from reccli.training.loop import train
from reccli.training.model import ScoringModel
from reccli.training.resolving import resolve
from reccli.training.task import Plan

torch.set_num_threads(1)


class TestRecency(EncoderConformance):
    component = "recency"
    settings: dict[str, Any] = {"dim": 6, "window": 5}


class TestRecencyGated(EncoderConformance):
    component = "recency"
    settings: dict[str, Any] = {"dim": 6, "gate": True, "hidden": 0.2, "words": "no", "start": "spectrum"}


def histories() -> TrainingData:
    rng = np.random.default_rng(0)
    user = np.concatenate([np.full(9, 0), np.full(3, 1), np.full(20, 3)])
    train = Histories.from_arrays(user, rng.integers(0, 12, 32), n_users=4, n_items=12, time_E=np.arange(32))
    return TrainingData(train, ordered=True)


def build(data: TrainingData, **given: Any) -> Recency:
    encoder = Recency(Recency.Settings(dim=8, **given))
    encoder.setup(data, Context(seed=3))
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(parameter.numel()))
    return encoder.eval()


def slowly(encoder: Recency, items: list[int]) -> np.ndarray:
    """The user with these items, oldest first, by the formula, entry by entry, in float64."""
    state = {name: value.double().numpy() for name, value in encoder.state_dict().items()}
    exponent, table = float(state["bags.age_exponent"]), state["table.item_ID"]
    total, mass, last = np.zeros(8), 0.0, None
    for age, item in enumerate(reversed(items[-encoder.settings.window :])):
        unit = table[item] / np.sqrt((table[item] ** 2).sum())
        weight = (1 + age) ** -exponent
        total, mass = total + weight * unit, mass + weight
        last = unit if age == 0 else last
    mean = total / mass if mass else state["nobody_D"]
    if encoder.gate is not None and last is not None:
        logit = state["gate.weight"] @ np.concatenate([mean, last]) + state["gate.bias"]
        mean = mean + (last - mean) / (1 + np.exp(-logit))
    return state["map.weight"] @ mean + state["map.bias"]


@pytest.mark.parametrize("gate", [False, True])
@pytest.mark.parametrize("window", [4, 50])
def test_rows_and_users_are_what_a_slow_loop_says(gate: bool, window: int) -> None:
    data = histories()
    encoder = build(data, gate=gate, window=window)
    train, rows = data.train, np.arange(32)
    users = encoder.users(batch_of(data, rows)).detach().numpy()
    for row in rows:
        before = train.item_E[train.offset_U1[train.user_E[row]] : row].tolist()
        np.testing.assert_allclose(users[row], slowly(encoder, before), rtol=1e-4, atol=1e-5)
    exported = encoder.export_users(train).numpy()
    for user in range(4):
        whole = train.item_E[train.offset_U1[user] : train.offset_U1[user + 1]].tolist()
        np.testing.assert_allclose(exported[user], slowly(encoder, whole), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gate", [False, True])
def test_the_future_does_not_leak(gate: bool) -> None:
    data = histories()
    changed = data.train.item_E.copy()
    changed[20:] = (changed[20:] + 5) % 12  # the last rows of the last user
    other = replace(data, train=replace(data.train, item_E=changed))
    first, second = build(data, gate=gate), build(other, gate=gate)
    rows = np.arange(21)  # row 20 is predicted from what came before it
    torch.testing.assert_close(first.users(batch_of(data, rows)), second.users(batch_of(other, rows)))
    assert not torch.allclose(
        first.users(batch_of(data, np.array([21]))), second.users(batch_of(other, np.array([21])))
    )


def test_without_an_order_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="encoder 'recency' needs time, which the data has not"):
        resolve(FinetuneSettings(encoder="recency"), "ranking", frozenset({"history"}))


@pytest.mark.parametrize(
    ("task", "loss", "given"),
    [("ranking", None, {}), ("ranking", "bpr", {"gate": True}), ("ranking", "softmax", {}), ("rating", "mse", {})],
)
def test_learns_the_known_world(task: str, loss: str | None, given: dict[str, Any]) -> None:
    torch.manual_seed(0)
    world = checkerboard(users=24, items=16, task=task, texts=False)
    recipe = resolve(
        FinetuneSettings(encoder="recency", loss=loss, encoder_settings={"dim": 8, "dropout": 0.1, **given}),
        task,
        world.data.provides(),
        n_items=16,
    )
    data, context = replace(world.data, task=recipe.task), Context(seed=3)
    encoder = registry.create("encoder", "recency", recipe.settings.encoder_settings)
    encoder.setup(data, context)
    criterion = registry.create("loss", recipe.settings.loss, recipe.settings.loss_settings)
    model = ScoringModel(encoder, criterion, Similarity(recipe.settings.similarity), data)
    name = recipe.settings.sampler
    sampler = registry.create("sampler", name, recipe.settings.sampler_settings) if name else None
    if sampler is not None:
        sampler.setup(data, context)
    finetune = FinetuneTask(model, sampler, data, None, context, batch_size=64)
    train(finetune, Plan(epochs=25, batch_size=64, learning_rate=0.02, seed=1), Control())
    assert held_out_first(model.user_vectors(data.train), model.item_vectors(), world) >= 0.8
