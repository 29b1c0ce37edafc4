"""The hybrid encoder: each part against a loop, cold items by text, and the known world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert

from reccli import registry
from reccli.api import Context, Histories, Similarity, TrainingData
from reccli.encoders.hybrid import Hybrid
from reccli.errors import ConfigError
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


@pytest.mark.parametrize("given", [{}, {"order": "causal"}, {"layers": 0, "start": "random", "mask": 0.0}], ids=str)
@pytest.mark.parametrize("name", [name for name in dir(EncoderConformance) if name.startswith("test_")])
def test_conforms(folder: Path, name: str, given: dict[str, Any]) -> None:
    kit = type("Kit", (Conforms,), {"folder": folder, "given": given})()
    try:
        getattr(kit, name)()
    except SkipTest as reason:
        pytest.skip(str(reason))


def cold_world(items: int = 16) -> TrainingData:
    """Two tastes; the last four items are met by nobody, and item 1 has no text."""
    data = checkerboard(users=12, items=items, held_out=1).data
    kept = data.train.item_E < items - 4
    texts = list(data.item_text_I or ())
    texts[1] = " "
    train = Histories.from_arrays(
        data.train.user_E[kept], data.train.item_E[kept], n_users=12, n_items=items, time_E=data.train.time_E[kept]
    )
    return replace(data, train=train, item_text_I=texts)


def build(folder: Path, data: TrainingData, **given: Any) -> Hybrid:
    encoder = Hybrid(Hybrid.Settings(path=str(folder), dim=6, **given))
    encoder.setup(data, Context(seed=3))
    with torch.no_grad():
        encoder.gate.slope_FK.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    return encoder


def test_items_and_users_are_what_the_formula_says(folder: Path) -> None:
    data = cold_world()
    encoder = build(folder, data, order="set").eval()
    encoder.begin_step()
    item_ID, text_IT = encoder.item_ID.detach(), encoder.text_IT
    projections = (encoder.text.instead_TD, encoder.text.beside_TD.detach())
    gate_IK = encoder._weights().detach()
    likes_UI = torch.from_numpy(data.train.to_scipy("weight").toarray())
    degree_U1 = likes_UI.sum(1, keepdim=True).clamp_min(1e-9)
    degree_I = likes_UI.sum(0).clamp_min(1e-9)
    normal_UI = likes_UI / (degree_U1 * degree_I).sqrt()
    smooth_ID = (item_ID + normal_UI.T @ (normal_UI @ item_ID)) / 2
    got = encoder.export_items()
    for item in range(16):
        g_id, g_graph, g_text = gate_IK[item]
        text_TD = projections[int(encoder.has_IK[item, 0])]
        expected = g_id * item_ID[item] + g_graph * smooth_ID[item] + g_text * (text_IT[item] @ text_TD)
        torch.testing.assert_close(got[item][:-1], expected, atol=1e-5, rtol=1e-4)
    users = encoder.export_users(data.train)
    for user in range(12):
        entries = data.train.item_E[data.train.offset_U1[user] : data.train.offset_U1[user + 1]]
        parts = [
            (gate_IK[j, 0] + gate_IK[j, 1]) * item_ID[j] + gate_IK[j, 2] * (text_IT[j] @ projections[1])
            for j in entries
        ]
        assert users[user][-1] == 0
        torch.testing.assert_close(users[user][:-1], sum(parts) / len(parts), atol=1e-5, rtol=1e-4)


def test_cold_items_have_their_text_alone_and_items_without_one_their_id(folder: Path) -> None:
    data = cold_world()
    encoder = build(folder, data).eval()
    gate_IK = encoder._weights()
    assert gate_IK[-4:].tolist() == [[0.0, 0.0, 1.0]] * 4
    assert gate_IK[1, 2] == 0
    assert torch.allclose(gate_IK.sum(1), torch.ones(16))
    texts = list(data.item_text_I or ())[-4:]
    torch.testing.assert_close(encoder.encode_texts(texts), encoder.export_items()[-4:], atol=1e-5, rtol=1e-4)


def test_ids_are_dropped_in_training_alone_and_by_epoch(folder: Path) -> None:
    encoder = build(folder, cold_world(items=40), drop=0.5)
    told = encoder.has_IK[:, 2]
    drawn = []
    for epoch in (1, 2, 1):
        encoder.begin_epoch(epoch)
        drawn.append((encoder._weights()[:, 0] == 0) & encoder.has_IK[:, 0])
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])
    assert 8 < int(drawn[0].sum()) < 28
    assert not drawn[0][~told].any()  # an item without a text has nothing else
    encoder.eval()
    assert (encoder._weights()[:, 0] > 0)[encoder.has_IK[:, 0]].all()


def regression(encoder: Hybrid, wanted_ID: torch.Tensor) -> np.ndarray:
    warm = encoder.has_IK[:, 0] & encoder.has_IK[:, 2]
    x, y = encoder.text_IT[warm].double().numpy(), wanted_ID.detach()[warm].double().numpy()
    gram = x.T @ x
    return np.linalg.solve(gram + 0.03 * np.mean(np.diag(gram)) * np.eye(16), x.T @ y)


def test_the_projections_are_regressions_and_the_one_for_new_items_follows_by_epoch(folder: Path) -> None:
    encoder = build(folder, cold_world())
    np.testing.assert_allclose(encoder.text.beside_TD.detach(), regression(encoder, encoder.item_ID), atol=1e-4)
    fused = encoder.eval().export_items()[:, :-1]
    np.testing.assert_allclose(encoder.text.instead_TD, regression(encoder, fused), atol=1e-4)
    encoder.train()
    with torch.no_grad():
        encoder.item_ID.normal_(generator=torch.Generator().manual_seed(4))
    before = encoder.text.instead_TD.clone()
    encoder.begin_step()
    assert torch.equal(encoder.text.instead_TD, before)  # not within an epoch
    encoder.begin_epoch(2)
    follows = encoder.text.instead_TD.clone()
    np.testing.assert_allclose(follows, regression(encoder, encoder.eval().export_items()[:, :-1]), atol=1e-3)
    assert not torch.allclose(follows, before, atol=1e-2)


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
    assert bool(encoder.item_ID.grad.any())
    if aux in ("simgcl", "xsimgcl", "sgl", "ncl"):
        bare = Hybrid(Hybrid.Settings(path=str(folder), dim=6, layers=0))
        bare.setup(data, context)
        with pytest.raises(ConfigError, match=f"aux '{aux}' needs views of the graph: the encoder, as set, has none"):
            build_auxiliaries(aux, {}, data, bare, context)
