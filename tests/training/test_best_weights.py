"""The best weights are a copy without constants, written over where it lies."""

from __future__ import annotations

import torch
from torch import nn

from reccli.training.best_weights import BestWeights


class Model(nn.Module):
    constants = frozenset({"solved_IR"})

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.register_buffer("solved_IR", torch.ones(4, 2))
        self.register_buffer("queue_Q", torch.zeros(0))


def fill(model: Model, value: float) -> Model:
    with torch.no_grad():
        model.weight.fill_(value)
    return model


def test_the_best_comes_back() -> None:
    model, best = fill(Model(), 1.0), BestWeights()
    best.take(model)
    fill(model, 2.0)
    best.put_back(model)
    assert torch.equal(model.weight, torch.full((3,), 1.0))
    assert set(best.tensors) == {"weight", "queue_Q"}


def test_nothing_is_put_back_where_nothing_was_taken() -> None:
    model = fill(Model(), 2.0)
    BestWeights().put_back(model)
    assert torch.equal(model.weight, torch.full((3,), 2.0))


def test_a_better_epoch_is_written_over_the_last_one() -> None:
    model, best = fill(Model(), 1.0), BestWeights()
    best.take(model)
    place = best.tensors["weight"].data_ptr()
    model.queue_Q = torch.ones(5)  # grown since
    best.take(fill(model, 2.0))
    assert best.tensors["weight"].data_ptr() == place
    assert torch.equal(best.tensors["weight"], torch.full((3,), 2.0))
    assert torch.equal(best.tensors["queue_Q"], torch.ones(5))
    assert best.tensors["weight"].data_ptr() != model.weight.data_ptr()


def test_a_checkpoints_tensors_are_taken_up() -> None:
    model, best = fill(Model(), 1.0), BestWeights()
    best.load({"weight": torch.full((3,), 9.0), "queue_Q": torch.zeros(0)}, torch.device("cpu"))
    best.put_back(model)
    assert torch.equal(model.weight, torch.full((3,), 9.0))
