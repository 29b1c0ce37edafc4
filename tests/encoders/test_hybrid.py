"""The hybrid encoder: users and mixed scores against loops, new items by text, and the known world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
import torch
from tiny_bert import tiny_bert

from reccli import registry
from reccli.api import Context, Histories, Similarity, TrainingData
from reccli.encoders.hybrid import Hybrid
from reccli.errors import ConfigError
from reccli.nn.collective_ease import CollectiveEase
from reccli.nn.ease_settings import EaseSettings
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control
from reccli.testing import EncoderConformance, checkerboard, held_out_first
from reccli.testing.inputs import batch_of
from reccli.training.auxiliaries import build_auxiliaries
from reccli.training.finetuning import FinetuneTask
from reccli.training.loop import train
from reccli.training.model import ScoringModel
from reccli.training.resolving import resolve
from reccli.training.task import Plan

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny")


class Conforms(EncoderConformance):
    component = "hybrid"
    folder, given = Path(), {}

    def build(self):
        return Hybrid(Hybrid.Settings(path=str(self.folder), dim=6, **self.given))

    def data(self):
        return checkerboard(users=12, items=10, held_out=1).data


@pytest.mark.parametrize(
    "given",
    [{}, {"order": "causal"}, {"layers": 0, "start": "random", "mask": 0.0}, {"base": 0.0}, {"text": "no"}],
    ids=str,
)
@pytest.mark.parametrize("name", [name for name in dir(EncoderConformance) if name.startswith("test_")])
def test_conforms(folder: Path, name: str, given: dict[str, Any]) -> None:
    kit = type("Kit", (Conforms,), {"folder": folder, "given": given})()
    try:
        getattr(kit, name)()
    except SkipTest as reason:
        pytest.skip(str(reason))


def build(folder: Path, data: TrainingData, **given: Any) -> Hybrid:
    encoder = Hybrid(Hybrid.Settings(path=str(folder), dim=6, l2=0.05, user_power=0.0, **given))
    encoder.setup(data, Context(seed=3))
    with torch.no_grad():
        encoder.parts.gate.slope_FK.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    return encoder


def cold_world() -> TrainingData:
    """Two tastes; the last four of 16 items are met by nobody, and items are told by one of two words."""
    data = checkerboard(users=12, items=16, held_out=1).data
    kept = data.train.item_E < 12
    train = Histories.from_arrays(
        data.train.user_E[kept], data.train.item_E[kept], n_users=12, n_items=16, time_E=data.train.time_E[kept]
    )
    return replace(data, train=train, item_text_I=[("red fox", "blue fish")[item % 2] for item in range(16)])


@pytest.mark.parametrize("order", ["set", "causal"])
def test_users_are_what_the_formula_says(folder: Path, order: str) -> None:
    data = cold_world()
    encoder = build(folder, data, order=order, base=0.0).eval()
    encoder.begin_step()
    seen_ID = encoder.parts.seen(torch.arange(16)).detach()
    causal, unit = order == "causal", torch.nn.functional.normalize
    if causal:
        with torch.no_grad():
            encoder.map.weight_DD.normal_(generator=torch.Generator().manual_seed(1))
            encoder.map.shift_D.normal_(generator=torch.Generator().manual_seed(2))
            encoder.bags.age_exponent.fill_(0.7)
        seen_ID = unit(seen_ID, dim=1)
    users = encoder.export_users(data.train)
    for user in range(12):
        entries = data.train.item_E[data.train.offset_U1[user] : data.train.offset_U1[user + 1]]
        weights = [(1.0 + age) ** -0.7 if causal else 1.0 for age in reversed(range(len(entries)))]
        mean_D = sum(w * seen_ID[j] for w, j in zip(weights, entries, strict=True)) / sum(weights)
        if causal:
            mean_D = encoder.map.weight_DD.detach() @ mean_D + encoder.map.shift_D.detach()
        assert users[user][-1] == 0
        torch.testing.assert_close(users[user][:-1], unit(mean_D, dim=0), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("text", ["yes", "no"])
def test_scores_are_cosines_and_those_of_ease_each_by_its_deviation(folder: Path, text: str) -> None:
    data = cold_world()
    told = {"text": text} | ({"words": 4.0} if text == "yes" else {})
    mixed, alone = (build(folder, data, base=base, **told).eval() for base in (0.3, 0.0))
    ease = CollectiveEase()
    ease.solve(data, Context(seed=3), EaseSettings(l2=0.05, user_power=0.0, words=4.0 if text == "yes" else 0.0))
    parts = [
        ease.of_histories(data.train) @ ease.item_IR.T,
        alone.export_users(data.train) @ alone.export_items().T,
    ]
    met_I = (ease.item_IR**2).sum(1) > 0
    assert int(met_I.sum()) == (16 if text == "yes" else 12)
    normal = [part - part[:, met_I].mean(1, keepdim=True) for part in parts]
    normal = [part / part[:, met_I].std(1, unbiased=False, keepdim=True) for part in normal]
    wanted_UI = (0.3 * normal[0] + 0.7 * normal[1])[:, met_I]
    got_UI = (mixed.export_users(data.train) @ mixed.export_items().T)[:, met_I]
    got_UI = got_UI - got_UI.mean(1, keepdim=True)
    torch.testing.assert_close(got_UI, wanted_UI - wanted_UI.mean(1, keepdim=True), atol=1e-4, rtol=1e-3)


def test_new_texts_lie_where_items_that_nobody_met_lie(folder: Path) -> None:
    data = cold_world()
    encoder = build(folder, data, words=4.0).eval()
    item_ID, texts = encoder.export_items(), list(data.item_text_I or ())
    new_ND = encoder.encode_texts(texts[-4:])
    rank = encoder.base.item_IR.shape[1]
    torch.testing.assert_close(new_ND[:, rank:], item_ID[-4:, rank:], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(new_ND[:, :rank], encoder.base.of_texts(texts[-4:]))
    assert new_ND[:, :rank].any()
    told_ND = encoder.encode_user_texts(texts[:2])
    assert told_ND.shape == (2, item_ID.shape[1])
    assert not told_ND[:, :rank].any()


def test_texts_that_are_off_are_not_read_and_serve_nobody(folder: Path) -> None:
    encoder = build(folder, cold_world(), text="no")
    assert encoder.determinants(Context()) == {}
    assert not encoder.serves_new_items
    assert not encoder.serves_user_texts
    with pytest.raises(ConfigError, match=r"encoder\.text=no: this run reads no texts"):
        encoder.encode_texts(["red fox"])


def test_words_beside_texts_that_are_off_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"encoder\.words=8\.0, and encoder\.text=no"):
        build(folder, cold_world(), text="no", words=8.0)


@pytest.mark.parametrize(("task", "loss"), [("ranking", None), ("ranking", "bpr"), ("rating", "mse"), ("ctr", "bce")])
@pytest.mark.parametrize("ordered", [False, True])
def test_learns_the_known_world(folder: Path, task: str, loss: str | None, ordered: bool) -> None:
    world = checkerboard(users=24, items=16, task=task, ordered=ordered)
    given = {"path": str(folder), "dim": 4, "start": "random"}
    recipe = resolve(
        FinetuneSettings(encoder="hybrid", loss=loss, encoder_settings=given), task, world.data.provides(), n_items=16
    )
    data, context = replace(world.data, task=recipe.task), Context(seed=3)
    encoder = registry.create("encoder", "hybrid", recipe.settings.encoder_settings)
    encoder.setup(data, context)
    criterion = registry.create("loss", recipe.settings.loss, recipe.settings.loss_settings)
    model = ScoringModel(encoder, criterion, Similarity(recipe.settings.similarity), data)
    name = recipe.settings.sampler
    sampler = registry.create("sampler", name, recipe.settings.sampler_settings) if name else None
    if sampler is not None:
        sampler.setup(data, context)
    finetune = FinetuneTask(model, sampler, data, None, context, batch_size=64)
    train(finetune, Plan(epochs=40, batch_size=64, learning_rate=0.03, seed=1), Control())
    assert held_out_first(model.user_vectors(data.train), model.item_vectors(), world) >= 0.8


def test_without_texts_it_is_refused_with_what_fits() -> None:
    with pytest.raises(ConfigError, match=r"needs text, which the data has not; encoders that fit: .*history"):
        resolve(FinetuneSettings(encoder="hybrid"), "ranking", frozenset({"history", "graph"}))


@pytest.mark.parametrize("aux", ["simgcl", "xsimgcl", "sgl", "ncl", "cl4srec", "duorec"])
def test_auxiliary_tasks_have_views_of_it(folder: Path, aux: str) -> None:
    data, context = checkerboard(users=12, items=10, held_out=1).data, Context(seed=1)
    encoder = Hybrid(Hybrid.Settings(path=str(folder), dim=6))
    encoder.setup(data, context)
    tasks = build_auxiliaries(aux, {"ncl.clusters": 2} if aux == "ncl" else {}, data, encoder, context)
    assert tasks is not None
    encoder.train()
    for part in (encoder.begin_epoch, lambda epoch: tasks.begin_epoch(epoch, encoder)):
        part(1)
    encoder.begin_step()
    value, _ = tasks(encoder, batch_of(data))
    value.backward()
    assert float(value.detach()) > 0
    assert bool(encoder.parts.item_ID.grad.any())
    assert Hybrid(Hybrid.Settings(path=str(folder), dim=6, layers=0)).views == {"history"}
