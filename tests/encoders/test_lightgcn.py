"""The shipped conformance checks on `lightgcn`; what it ranks is in the matrix of components."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch

from reccli.api import Context, TrainingData
from reccli.encoders.lightgcn import LightGCN
from reccli.testing import EncoderConformance, checkerboard
from reccli.testing.inputs import batch_of
from reccli.training.auxiliaries import build_auxiliaries


class TestLightGCN(EncoderConformance):
    component = "lightgcn"
    settings: dict[str, Any] = {"dim": 6, "layers": 2}


def built(**settings: Any) -> tuple[LightGCN, TrainingData]:
    data = checkerboard(texts=False).data
    encoder = LightGCN(LightGCN.Settings(dim=6, start="random", **settings))
    encoder.setup(data, Context(seed=3))
    return encoder.train(), data


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_vectors_and_gradients_are_those_of_the_walk_that_tasks_see(layers: int) -> None:
    encoder, data = built(layers=layers)
    batch = batch_of(data)
    results = []
    for kept in (False, True):
        encoder.keeps_walk = kept
        encoder.zero_grad()
        encoder.begin_step()
        user_BD, item_ID = encoder.users(batch), encoder.all_items()
        (user_BD.square().sum() + item_ID.sin().sum()).backward()
        results.append([user_BD.detach(), item_ID.detach(), encoder.user_UD.grad, encoder.item_ID.grad])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_layers_are_held_for_tasks_alone_and_given_to_whoever_asks() -> None:
    encoder, _ = built()
    encoder.begin_step()
    assert encoder._walk is None
    assert len(encoder.walk().layers) == 3
    encoder.begin_step()
    assert encoder._walk is None
    encoder.keeps_walk = True
    encoder.begin_step()
    assert encoder.walk() is encoder._walk


def test_the_last_step_is_let_go_before_the_next_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, _ = built()
    encoder.begin_step()
    held = weakref.ref(encoder._ends[0])
    seen = []
    propagate = encoder.propagation.forward
    monkeypatch.setattr(encoder.propagation, "forward", lambda *a: (seen.append(held()), propagate(*a))[1])
    encoder.begin_step()
    assert seen == [None]


def test_an_auxiliary_task_of_the_graph_has_the_walk_kept() -> None:
    encoder, data = built()
    build_auxiliaries("simgcl:0.1", {}, data, encoder, Context(seed=3))
    assert encoder.keeps_walk


def test_a_step_that_is_let_go_has_its_gradients() -> None:
    encoder, data = built()
    batch, found = batch_of(data), []
    for ended in (False, True):
        encoder.zero_grad()
        encoder.begin_step()
        value = encoder.users(batch).square().sum() + encoder.items(batch.item_B).sin().sum()
        if ended:
            held = [weakref.ref(tensor) for tensor in encoder._now()]
            encoder.end_step()
            assert not [reference for reference in held if reference() is not None]
        value.backward()
        found.append([encoder.user_UD.grad, encoder.item_ID.grad])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_nothing_of_a_step_is_held_after_an_export() -> None:
    encoder, data = built()
    encoder.export_items()
    assert encoder._ends is None
    encoder.export_users(data.train)
    assert encoder._ends is None
