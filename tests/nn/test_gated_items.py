"""Items of several parts: each part against a loop, items without an id by text, dropped ids, and the regressions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert

from reccli.api import Context, Histories, TrainingData
from reccli.nn.gated_items import GatedItems, GatedItemsSettings
from reccli.nn.sentence_words import SentenceWords
from reccli.nn.text_source import TextSource
from reccli.nn.text_usage import TextUsage
from reccli.testing import checkerboard


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny")


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


def build(folder: Path, data: TrainingData, *, texts: bool = True, **given: Any) -> GatedItems:
    told = None
    if texts:
        warm_I, draw = torch.from_numpy(data.item_count_I() > 0), np.random.default_rng(1)
        source, usage = TextSource(folder), TextUsage(pooling="mean")
        told = SentenceWords(source, usage, list(data.item_text_I or ()), warm_I, generator=draw, restoring=False)
    settings = GatedItemsSettings(dim=6, **given)
    parts = GatedItems(data, Context(seed=3), settings, told, [2.0, 0.0, 0.0], name="parts")
    with torch.no_grad():
        parts.gate.slope_FK.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    return parts


def test_items_and_what_histories_see_of_them_are_what_the_formulas_say(folder: Path) -> None:
    data = cold_world()
    parts = build(folder, data).eval()
    parts.begin_step()
    item_ID, text_IT = parts.item_ID.detach(), parts.texts.all_items()
    projections = (parts.projection.instead_TD, parts.projection.beside_TD.detach())
    weight_IK = parts.weights().detach()
    likes_UI = torch.from_numpy(data.train.to_scipy("weight").toarray())
    degree_U1 = likes_UI.sum(1, keepdim=True).clamp_min(1e-9)
    normal_UI = likes_UI / (degree_U1 * likes_UI.sum(0).clamp_min(1e-9)).sqrt()
    smooth_ID = (item_ID + normal_UI.T @ (normal_UI @ item_ID)) / 2
    code_N = torch.arange(16)
    got_ND, seen_ND, placed_ND = (read(code_N).detach() for read in (parts, parts.seen, parts.placed))
    for item in range(16):
        g_id, g_graph, g_text = weight_IK[item]
        told_D = g_text * (text_IT[item] @ projections[int(parts.has_IK[item, 0])])
        wanted_D = g_id * item_ID[item] + g_graph * smooth_ID[item] + told_D
        torch.testing.assert_close(got_ND[item], wanted_D, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(seen_ND[item], (g_id + g_graph) * item_ID[item] + told_D, atol=1e-5, rtol=1e-4)
        assert (float(placed_ND[item, -1]) > 0) == (item >= 12)
    assert torch.equal(placed_ND[:, :-1], got_ND)


def test_items_that_nobody_met_have_their_text_alone_and_items_without_one_their_id(folder: Path) -> None:
    data = cold_world()
    parts = build(folder, data).eval()
    weight_IK = parts.weights()
    assert weight_IK[-4:].tolist() == [[0.0, 0.0, 1.0]] * 4
    assert weight_IK[1, 2] == 0
    assert torch.allclose(weight_IK.sum(1), torch.ones(16))
    text_NT = parts.texts.of_items(list(data.item_text_I or ())[-4:])
    placed_ND = parts.placed_by_text(text_NT)
    torch.testing.assert_close(placed_ND, parts.placed(torch.arange(12, 16)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(placed_ND[:, :-1], parts.by_text(text_NT))


def test_without_texts_the_same_parts_are_ids_and_graph(folder: Path) -> None:
    parts = build(folder, cold_world(), texts=False).eval()
    weight_IK = parts.weights()
    assert not weight_IK[:, 2].any()
    assert not weight_IK[-4:].any()
    parts.fit()
    assert parts(torch.arange(16))[:12].any(1).all()
    assert not parts(torch.arange(12, 16)).any()


def test_ids_are_dropped_in_training_alone_and_by_epoch(folder: Path) -> None:
    parts = build(folder, cold_world(items=40), drop=0.5)
    told = parts.has_IK[:, 2]
    drawn = []
    for epoch in (1, 2, 1):
        parts.begin_epoch(epoch)
        drawn.append((parts.weights()[:, 0] == 0) & parts.has_IK[:, 0])
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])
    assert 8 < int(drawn[0].sum()) < 28
    assert not drawn[0][~told].any()  # an item without a text has nothing else
    parts.eval()
    assert (parts.weights()[:, 0] > 0)[parts.has_IK[:, 0]].all()


def regression(parts: GatedItems, wanted_ID: torch.Tensor) -> np.ndarray:
    warm = parts.has_IK[:, 0] & parts.has_IK[:, 2]
    x, y = parts.texts.all_items()[warm].double().numpy(), wanted_ID.detach()[warm].double().numpy()
    gram = x.T @ x
    return np.linalg.solve(gram + 0.03 * np.mean(np.diag(gram)) * np.eye(len(gram)), x.T @ y)


def test_the_projections_are_regressions_and_the_one_for_new_items_follows_by_epoch(folder: Path) -> None:
    parts, code_N = build(folder, cold_world()), torch.arange(16)
    np.testing.assert_allclose(parts.projection.beside_TD.detach(), regression(parts, parts.item_ID), atol=1e-4)
    parts.eval().begin_step()
    np.testing.assert_allclose(parts.projection.instead_TD, regression(parts, parts(code_N)), atol=1e-4)
    parts.train()
    with torch.no_grad():
        parts.item_ID.normal_(generator=torch.Generator().manual_seed(4))
    before = parts.projection.instead_TD.clone()
    parts.begin_step()
    assert torch.equal(parts.projection.instead_TD, before)  # not within an epoch
    parts.begin_epoch(2)
    follows = parts.projection.instead_TD.clone()
    parts.eval().begin_step()
    np.testing.assert_allclose(follows, regression(parts, parts(code_N)), atol=1e-3)
    assert not torch.allclose(follows, before, atol=1e-2)


def test_a_table_of_draws_has_a_projection_of_draws(folder: Path) -> None:
    first, second = (build(folder, cold_world(), start="random", std=0.2).projection.beside_TD for _ in range(2))
    assert torch.equal(first, second)
    assert 0.15 < float(first.detach().std()) < 0.25
