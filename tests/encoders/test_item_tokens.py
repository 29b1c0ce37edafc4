"""Item tokens: conformance, windows that equal single reading, the start, and the known world."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import SkipTest

import numpy as np
import pytest
import torch

from reccli import registry
from reccli.api import Context, Histories, Similarity, TrainingData
from reccli.encoders.item_tokens import ItemTokens
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


class Conforms(EncoderConformance):
    component = "item-tokens"
    given: dict[str, Any] = {}

    def build(self):
        return ItemTokens(ItemTokens.Settings(dim=8, heads=2, dropout=0.0, **self.given))


@pytest.mark.parametrize(
    "given",
    [{"order": "causal"}, {"order": "set"}, {"order": "set", "mask": 0.0, "start": "random", "window": 2}],
    ids=str,
)
@pytest.mark.parametrize("name", [name for name in dir(EncoderConformance) if name.startswith("test_")])
def test_conforms(name: str, given: dict[str, Any]) -> None:
    kit = type("Kit", (Conforms,), {"given": given})()
    try:
        getattr(kit, name)()
    except SkipTest as reason:
        pytest.skip(str(reason))


def long_histories() -> TrainingData:
    rng = np.random.default_rng(0)
    user = np.concatenate([np.full(9, 0), np.full(3, 1), np.full(20, 3)])
    return TrainingData(
        Histories.from_arrays(user, rng.integers(0, 12, 32), n_users=4, n_items=12, time_E=np.arange(32)), ordered=True
    )


def build(data: TrainingData, **given: Any) -> ItemTokens:
    encoder = ItemTokens(ItemTokens.Settings(dim=8, heads=2, dropout=0.0, **given))
    encoder.setup(data, Context(seed=3))
    torch.nn.init.normal_(encoder.reader.out.weight, generator=torch.Generator().manual_seed(0))
    return encoder


def test_it_starts_at_the_pooled_history() -> None:
    data = long_histories()
    encoder = ItemTokens(ItemTokens.Settings(dim=8, heads=2))
    encoder.setup(data, Context(seed=3))
    history = registry.create("encoder", "history", {"dim": 8, "window": 50})
    history.setup(data, Context(seed=3))
    with torch.no_grad():
        history.item_ID.copy_(encoder.item_ID)
        history.nobody_D.copy_(encoder.nobody_D)
    encoder.eval()
    torch.testing.assert_close(encoder.export_users(data.train), history.eval().export_users(data.train))


def test_a_window_read_once_says_what_each_row_reads_by_itself() -> None:
    data = long_histories()
    encoder = build(data, window=25)  # longer than any history: both read the same
    encoder.begin_epoch(1)
    batch = batch_of(data, np.arange(32))
    found = encoder.windows.of_batch(batch)
    assert found is not None
    with torch.no_grad():
        torch.testing.assert_close(encoder._read_windows(found), encoder._read(batch), atol=1e-5, rtol=1e-4)


def test_windows_are_drawn_by_epoch_and_trained_on_alone() -> None:
    data = long_histories()
    encoder = build(data, window=5)
    drawn = []
    for epoch in (1, 2, 3, 1):
        encoder.begin_epoch(epoch)
        drawn.append(encoder.rows_of_epoch())
        assert encoder.windows.of_batch(batch_of(data, drawn[-1].nonzero()[:, 0].numpy())) is not None
    assert torch.equal(drawn[0], drawn[3])
    assert any(not torch.equal(drawn[0], other) for other in drawn[1:3])
    train = data.train
    for rows in drawn:
        chosen = rows.nonzero()[:, 0].numpy()
        for user, length in ((0, 5), (1, 3), (3, 5)):
            mine = chosen[train.user_E[chosen] == user]
            assert len(mine) == length
            assert mine[-1] - mine[0] == length - 1
    assert encoder.windows.of_batch(batch_of(data, np.arange(32))) is None


@pytest.mark.parametrize("order", ["causal", "set"])
def test_ratings_of_entries_are_read(order: str) -> None:
    data = checkerboard(users=12, items=10, task="rating").data
    encoder = build(data, order=order).eval()
    torch.nn.init.normal_(encoder.reader.rate_D, generator=torch.Generator().manual_seed(1))
    other = replace(data.train, value_E=data.train.value_E[::-1].copy())
    assert not torch.allclose(encoder.export_users(data.train), encoder.export_users(other), atol=1e-3)


@pytest.mark.parametrize(("task", "loss"), [("ranking", None), ("ranking", "bpr"), ("rating", "mse"), ("ctr", "bce")])
@pytest.mark.parametrize("ordered", [False, True])
def test_learns_the_known_world(task: str, loss: str | None, ordered: bool) -> None:
    torch.manual_seed(0)
    world = checkerboard(users=24, items=16, task=task, ordered=ordered, texts=False)
    given = {"dim": 8, "heads": 2, "layers": 1, "start": "random"}
    recipe = resolve(
        FinetuneSettings(encoder="item-tokens", loss=loss, encoder_settings=given),
        task,
        world.data.provides(),
        n_items=16,
    )
    data, context = replace(world.data, task=recipe.task), Context(seed=3)
    encoder = registry.create("encoder", "item-tokens", recipe.settings.encoder_settings)
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


def test_it_says_that_it_reads_no_texts() -> None:
    said: list[str] = []
    ItemTokens(ItemTokens.Settings(dim=8)).setup(checkerboard(users=12, items=10).data, Context(say=said.append))
    assert said == [
        "item-tokens: each item is one token, the history the sentence (in their order); texts are not read"
    ]


def test_heads_must_divide_the_size() -> None:
    with pytest.raises(ConfigError, match=r"encoder\.heads=3 does not divide encoder\.dim=8"):
        ItemTokens(ItemTokens.Settings(dim=8, heads=3)).setup(checkerboard(users=12, items=10).data, Context())
