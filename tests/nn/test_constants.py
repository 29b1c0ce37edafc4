"""Constants are named by the module that owns them, and everything else is what training changes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reccli.nn.constants import changing, constant, take_up


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean_L", torch.ones(2))
        self.register_buffer("count", torch.zeros(()))


class Table(nn.Module):
    constants = frozenset({"item_IR", "words.mean_L", "passing"})

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("item_IR", torch.arange(6.0).view(3, 2))
        self.register_buffer("passing", torch.ones(1), persistent=False)
        self.words = Words()
        self.weight = nn.Parameter(torch.zeros(3))


def model() -> nn.Module:
    return nn.ModuleDict({"base": Table(), "plain": nn.Linear(2, 1)})


def test_a_state_falls_into_two_parts() -> None:
    found = model()
    assert set(constant(found)) == {"base.item_IR", "base.words.mean_L"}
    assert set(changing(found)) == {"base.weight", "base.words.count", "plain.weight", "plain.bias"}
    assert set(constant(found["base"])) == {"item_IR", "words.mean_L"}  # type: ignore[index]
    whole = {**constant(found), **changing(found)}
    assert all(whole[name].data_ptr() == value.data_ptr() for name, value in found.state_dict().items())


def test_what_changes_is_taken_up_and_constants_stay() -> None:
    first, second = model(), model()
    with torch.no_grad():
        first["base"].weight.fill_(3.0)  # type: ignore[index,union-attr,operator]
        second["base"].item_IR.fill_(7.0)  # type: ignore[index,union-attr,operator]
    take_up(second, {name: value.clone() for name, value in changing(first).items()})
    assert torch.equal(second.state_dict()["base.weight"], torch.full((3,), 3.0))
    assert torch.equal(second.state_dict()["base.item_IR"], torch.full((3, 2), 7.0))


def test_tensors_of_another_module_are_refused() -> None:
    with pytest.raises(RuntimeError, match="Missing key"):
        take_up(model(), {"base.weight": torch.zeros(3)})
