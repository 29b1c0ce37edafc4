"""A second loss adds its own value over the same vectors, and is not stored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from reccli import registry
from reccli.api import Context, LossInputs, Negatives, Similarity
from reccli.losses.bce import BCE
from reccli.losses.infonce import InfoNCE
from reccli.losses.mse import MSE
from reccli.losses.softmax import Softmax
from reccli.testing import checkerboard, held_out_first
from reccli.testing.inputs import batch_of
from reccli.training.model import ScoringModel
from reccli.training.side_tasks import SideTask

torch.set_num_threads(1)
DOT = Similarity("dot")


def model(task: str, loss: Any, sides: list[tuple[str, Any, float]], encoder: str = "mf") -> tuple[ScoringModel, Any]:
    data = checkerboard(users=12, items=8, task=task, texts=False).data
    built = registry.create("encoder", encoder, {"dim": 4, "start": "random"})
    built.setup(data, Context(seed=1))
    tasks = [
        SideTask(name, criterion, weight, data, folding=built.serves_new_users, similarity=DOT)
        for name, criterion, weight in sides
    ]
    return ScoringModel(built, loss, DOT, data, sides=tasks), data


def batch_with_negatives(data: Any) -> Any:
    batch = batch_of(data)
    return replace(batch, negatives=Negatives(shared_N=torch.arange(8)))


@pytest.mark.parametrize("encoder", ["mf", "history"])
@pytest.mark.parametrize(
    ("task", "loss", "side"),
    [
        ("rating", MSE(), ("ranking", InfoNCE(), 0.5)),
        ("rating", MSE(), ("ranking", Softmax(), 0.5)),
        ("ranking", InfoNCE(), ("rating", MSE(), 0.25)),
        ("ranking", Softmax(), ("rating", MSE(), 0.25)),
        ("ctr", BCE(), ("ranking", InfoNCE(), 2.0)),
    ],
    ids=str,
)
def test_the_total_is_the_sum_of_both(encoder: str, task: str, loss: Any, side: tuple[str, Any, float]) -> None:
    both, data = model(task, loss, [side], encoder)
    alone, _ = model(task, loss, [], encoder)
    batch = batch_with_negatives(data)
    for one in (both, alone):
        one.eval()
        one.encoder.begin_epoch(1)
    total, terms = both.batch_loss(batch)
    first, _ = alone.batch_loss(batch if "negatives" in alone.needs else batch_of(data))
    torch.testing.assert_close(total, first + terms[side[0]])
    total.backward()
    assert all(p.grad is not None for p in both.sides.parameters() if p.requires_grad)
    doubled, _ = model(task, loss, [(side[0], side[1], 2 * side[2])], encoder)
    doubled.eval().encoder.begin_epoch(1)
    torch.testing.assert_close(doubled.batch_loss(batch)[1][side[0]], 2 * terms[side[0]])


def test_ranking_learns_from_the_clicks_alone() -> None:
    both, data = model("ctr", BCE(), [("ranking", InfoNCE(), 1.0)])
    batch = batch_with_negatives(data)
    value = both.batch_loss(batch)[1]["ranking"]
    user_BD, item_BD = both.encoder.users(batch), both.encoder.items(torch.arange(8))
    rows = []
    for row in range(len(batch)):
        if batch.value_B[row] > 0:
            known = set(data.train.item_E[data.train.user_E == int(batch.user_B[row])].tolist())
            others = [item for item in range(8) if item not in known]
            score = torch.stack([user_BD[row] @ item_BD[item] for item in (int(batch.item_B[row]), *others)])
            rows.append(torch.logsumexp(score, 0) - score[0])
    assert float(InfoNCE().settings.temperature) != 1.0
    scaled = InfoNCE(InfoNCE.Settings(temperature=1.0))
    both, _ = model("ctr", BCE(), [("ranking", scaled, 1.0)])
    value = both.batch_loss(batch)[1]["ranking"]
    torch.testing.assert_close(value, torch.stack(rows).mean())


def test_predictions_of_the_side_are_its_own() -> None:
    both, data = model("ranking", InfoNCE(), [("rating", MSE(), 1.0)])
    assert both.values is None
    data = replace(data, task="rating")
    batch = batch_of(data)
    side = both.sides[0]
    user_BD, item_BD = both.encoder.users(batch), both.encoder.items(batch.item_B)
    inputs = LossInputs(user_BD, item_BD, DOT, batch.item_B, batch.value_B, batch.weight_B)
    expected = []
    for row in range(len(batch)):
        user, item = int(batch.user_B[row]), int(batch.item_B[row])
        bias = side.values.user_bias_U[user] + side.values.item_bias_I[item]
        guess = side.values.mean + bias + user_BD[row] @ item_BD[row]
        expected.append((guess - batch.value_B[row]) ** 2)
    torch.testing.assert_close(side(inputs, batch), torch.stack(expected).mean())


def test_what_is_stored_serves_the_first_task_and_opens_without_the_second() -> None:
    both, _ = model("ranking", InfoNCE(), [("rating", MSE(), 1.0)])
    assert not [name for name in both.stored_state() if name.startswith("sides")]
    assert [name for name in both.state_dict() if name.startswith("sides")]  # a resumed run needs them
    alone, _ = model("ranking", InfoNCE(), [])
    alone.load_state_dict(both.stored_state())
    np.testing.assert_array_equal(alone.item_vectors(), both.item_vectors())
    assert both.item_vectors().shape == (8, 4)


@pytest.mark.parametrize("text", ["rating,ranking:0.3", "ranking,rating:0.3"])
def test_several_tasks_learn_the_known_world(text: str) -> None:
    from reccli.settings import FinetuneSettings
    from reccli.stages.common import Control
    from reccli.training.finetuning import FinetuneTask
    from reccli.training.loop import train
    from reccli.training.resolving import resolve
    from reccli.training.side_tasks import side_tasks
    from reccli.training.task import Plan

    first = text.split(",")[0]
    world = checkerboard(users=24, items=16, task="rating", texts=False, ordered=False)
    data, context = replace(world.data, task=first), Context(seed=3)
    recipe = resolve(FinetuneSettings(encoder="history", task=text), first, data.provides(), n_items=16)
    encoder = registry.create("encoder", "history", {"dim": 4, "start": "random", "order": "set"})
    encoder.setup(data, context)
    similarity = Similarity(recipe.settings.similarity)
    sides = side_tasks(recipe.sides, data, folding=True, similarity=similarity)
    loss = registry.create("loss", recipe.settings.loss, recipe.settings.loss_settings)
    both = ScoringModel(encoder, loss, similarity, data, sides=sides)
    task = FinetuneTask(both, None, data, None, context, batch_size=64)
    train(task, Plan(epochs=40, batch_size=64, learning_rate=0.03, seed=1), Control())
    if first == "rating":
        users, items = both.user_vectors(data.train), both.item_vectors()
        assert held_out_first(users, items, world) >= 0.8
        score = (users[world.held_user_H] * items[world.held_item_H]).sum(1)
        assert abs(score - world.held_value_H).mean() < 1.2
    else:
        rated = (world.data.train.value_E >= 4).mean()
        assert 0.3 < rated < 1
        assert np.isfinite(both.user_vectors(data.train)).all()
