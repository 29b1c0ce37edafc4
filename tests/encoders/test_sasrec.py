"""SASRec: conformance, one reading for all rows, no look at the future, padding, and the known world."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from reccli import registry
from reccli.api import Context, Histories, Similarity, TrainingData
from reccli.encoders.sasrec import SASRec
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


class TestSASRec(EncoderConformance):
    component = "sasrec"
    settings: dict[str, Any] = {"dim": 6, "heads": 2, "layers": 2, "window": 5, "dropout": 0.1}


class TestSASRecFromTheSpectrum(EncoderConformance):
    component = "sasrec"
    settings: dict[str, Any] = {"dim": 6, "words": "no", "start": "spectrum"}


def histories() -> TrainingData:
    rng = np.random.default_rng(0)
    user = np.concatenate([np.full(9, 0), np.full(3, 1), np.full(20, 3)])
    train = Histories.from_arrays(user, rng.integers(0, 12, 32), n_users=4, n_items=12, time_E=np.arange(32))
    return TrainingData(train, ordered=True)


def build(data: TrainingData, **given: Any) -> SASRec:
    encoder = SASRec(SASRec.Settings(dim=8, heads=2, dropout=0.0, **given))
    encoder.setup(data, Context(seed=3))
    return encoder


def test_all_rows_of_one_reading_say_what_each_reads_by_itself() -> None:
    data = histories()
    encoder, rows = build(data), batch_of(data, np.arange(32))
    encoder.begin_epoch(1)
    together, alone = encoder.train().users(rows), encoder.eval().users(rows)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_a_user_is_the_state_after_the_items_as_they_come() -> None:
    data = histories()
    encoder = build(data, window=6).eval()
    exported = encoder.export_users(data.train)
    for user in range(4):
        own = data.train.item_E[data.train.offset_U1[user] : data.train.offset_U1[user + 1]][-6:]
        entry_1LD = encoder.items(torch.from_numpy(own))[None] * 8**0.5
        torch.testing.assert_close(exported[user], encoder.reader(entry_1LD)[0, -1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("training", [False, True])
def test_the_future_does_not_leak(training: bool) -> None:
    data = histories()
    changed = data.train.item_E.copy()
    changed[20:] = (changed[20:] + 5) % 12  # the last rows of the last user
    other = replace(data, train=replace(data.train, item_E=changed))
    rows, vectors = np.arange(12, 32), []
    for seen in (data, other):
        encoder = build(seen).train(training)
        encoder.begin_epoch(1)
        vectors.append(encoder.users(batch_of(seen, rows)))
    torch.testing.assert_close(vectors[0][:9], vectors[1][:9])  # row 20 is predicted from what came before it
    assert (vectors[0][9:] - vectors[1][9:]).abs().amax(1).min() > 1e-3


def test_a_user_does_not_depend_on_the_company() -> None:
    data = histories()
    encoder = build(data).eval()
    alone = torch.cat([encoder.export_users(data.train.rows([user])) for user in range(4)])
    torch.testing.assert_close(encoder.export_users(data.train), alone, atol=1e-5, rtol=1e-4)


def test_ratings_of_entries_are_read() -> None:
    data = checkerboard(users=12, items=10, task="rating").data
    encoder = build(data).eval()
    torch.nn.init.normal_(encoder.rate_D, generator=torch.Generator().manual_seed(1))
    other = replace(data.train, value_E=data.train.value_E[::-1].copy())
    assert not torch.allclose(encoder.export_users(data.train), encoder.export_users(other), atol=1e-3)


def test_heads_must_divide_the_size() -> None:
    with pytest.raises(ConfigError, match=r"encoder\.heads=3 does not divide encoder\.dim=8"):
        SASRec(SASRec.Settings(dim=8, heads=3)).setup(histories(), Context())


@pytest.mark.parametrize(
    ("task", "loss"), [("ranking", None), ("ranking", "bpr"), ("ranking", "softmax"), ("rating", "mse"), ("ctr", "bce")]
)
def test_learns_the_known_world(task: str, loss: str | None) -> None:
    torch.manual_seed(0)
    world = checkerboard(users=24, items=16, task=task, texts=False)
    given = {"dim": 8, "heads": 2, "dropout": 0.1}
    recipe = resolve(
        FinetuneSettings(encoder="sasrec", loss=loss, encoder_settings=given), task, world.data.provides(), n_items=16
    )
    data, context = replace(world.data, task=recipe.task), Context(seed=3)
    encoder = registry.create("encoder", "sasrec", recipe.settings.encoder_settings)
    encoder.setup(data, context)
    criterion = registry.create("loss", recipe.settings.loss, recipe.settings.loss_settings)
    model = ScoringModel(encoder, criterion, Similarity(recipe.settings.similarity), data)
    name = recipe.settings.sampler
    sampler = registry.create("sampler", name, recipe.settings.sampler_settings) if name else None
    if sampler is not None:
        sampler.setup(data, context)
    finetune = FinetuneTask(model, sampler, data, None, context, batch_size=64)
    train(finetune, Plan(epochs=40, batch_size=64, learning_rate=0.01, seed=1), Control())
    assert held_out_first(model.user_vectors(data.train), model.item_vectors(), world) >= 0.8
