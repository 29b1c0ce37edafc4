"""The steps are those of torch's own fused classes, to the last digit, and of the paper's formula."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from reccli.training.adam import Adam
from reccli.training.optimizers import build_optimizer


def weights_of(seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [((5, 3), torch.float32), ((4,), torch.float64), ((), torch.float32)]
    return [nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype)) for shape, dtype in shapes]


def groups_of(weights: list[nn.Parameter]) -> list[dict]:
    return [
        {"params": weights[:2], "lr": 0.1, "weight_decay": 0.2},
        {"params": weights[2:], "lr": 0.01, "weight_decay": 0.0},
    ]


def give_gradients(weights: list[nn.Parameter], step: int) -> None:
    for place, p in enumerate(weights):
        p.grad = None if place == 1 and step == 2 else torch.cos(p.detach() * (step + 1 + place))


@pytest.mark.parametrize(("decoupled", "theirs"), [(False, torch.optim.Adam), (True, torch.optim.AdamW)])
def test_equals_the_fused_class_of_torch_to_the_last_digit(decoupled: bool, theirs: type) -> None:
    own, other = weights_of(), weights_of()
    mine = Adam(groups_of(own), betas=(0.9, 0.99), decoupled=decoupled)
    plain = theirs(groups_of(other), betas=(0.9, 0.99), fused=True)
    for step in range(6):
        for weights, optimizer in ((own, mine), (other, plain)):
            give_gradients(weights, step)
            optimizer.step()
    assert all(torch.equal(one, two) for one, two in zip(own, other, strict=True))


@pytest.mark.parametrize("decoupled", [False, True])
def test_equals_the_formula(decoupled: bool) -> None:
    p = nn.Parameter(torch.tensor(0.7, dtype=torch.float64))
    optimizer = Adam([{"params": [p], "lr": 0.1, "weight_decay": 0.2}], betas=(0.9, 0.99), decoupled=decoupled)
    w, m, v = 0.7, 0.0, 0.0
    for t in range(1, 8):
        g = w**2 - 0.3
        p.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
        start = w
        g = g if decoupled else g + 0.2 * w
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        w = w - 0.1 * (m / (1 - 0.9**t)) / ((v / (1 - 0.99**t)) ** 0.5 + 1e-8)
        w = w - 0.1 * 0.2 * start if decoupled else w
        assert p.item() == pytest.approx(w, rel=1e-9)


def test_a_state_goes_from_one_to_another_and_is_no_longer_shared() -> None:
    own, other = weights_of(), weights_of()
    first, second = (Adam(groups_of(some), betas=(0.9, 0.99), decoupled=True) for some in (own, other))
    for step in range(4):
        give_gradients(own, step)
        first.step()
        if step == 1:
            kept = first.state_dict()
            kept["param_groups"][0]["lr"] = 0.1
            second.load_state_dict(kept)
            for one, two in zip(own, other, strict=True):
                two.data.copy_(one.data)
    for step in (2, 3):
        give_gradients(other, step)
        second.step()
    assert all(torch.equal(one, two) for one, two in zip(own, other, strict=True))


def test_a_state_of_torch_is_taken_up() -> None:
    own, other = weights_of(), weights_of()
    plain = torch.optim.AdamW(groups_of(other), betas=(0.9, 0.99), fused=True)
    give_gradients(other, 0)
    plain.step()
    mine = Adam(groups_of(own), betas=(0.9, 0.99), decoupled=True)
    mine.load_state_dict(plain.state_dict())
    for one, two in zip(own, other, strict=True):
        one.data.copy_(two.data)
    for weights, optimizer in ((own, mine), (other, plain)):
        give_gradients(weights, 1)
        optimizer.step()
    assert all(torch.equal(one, two) for one, two in zip(own, other, strict=True))


def test_a_state_of_other_weights_is_refused() -> None:
    mine = Adam(groups_of(weights_of()), betas=(0.9, 0.99), decoupled=True)
    other = Adam([{"params": weights_of(), "lr": 0.1, "weight_decay": 0.0}], betas=(0.9, 0.99), decoupled=True)
    with pytest.raises(ValueError, match="other groups"):
        mine.load_state_dict(other.state_dict())
    wider = [nn.Parameter(torch.zeros(5, 4)), *weights_of()[1:]]
    third = Adam(groups_of(wider), betas=(0.9, 0.99), decoupled=True)
    give_gradients(wider, 0)
    third.step()
    with pytest.raises(ValueError, match="other shapes"):
        mine.load_state_dict(third.state_dict())


@pytest.mark.parametrize("to_none", [True, False])
def test_gradients_are_dropped_or_filled_with_zeros(to_none: bool) -> None:
    weights = weights_of()
    mine = Adam(groups_of(weights), betas=(0.9, 0.99), decoupled=True)
    give_gradients(weights, 2)
    mine.zero_grad(set_to_none=to_none)
    assert weights[1].grad is None
    assert weights[0].grad is None if to_none else not bool(weights[0].grad.any())


def test_the_optimiser_by_name_is_this_one_and_loads_no_compiler() -> None:
    assert isinstance(build_optimizer("adam", [{"params": weights_of()}], learning_rate=0.1, weight_decay=0.0), Adam)
    code = (
        "import sys, torch; from reccli.training.optimizers import build_optimizer\n"
        "p = torch.nn.Parameter(torch.ones(2)); p.grad = torch.ones(2)\n"
        "o = build_optimizer('adamw', [{'params': [p]}], learning_rate=.1, weight_decay=0.)\n"
        "o.zero_grad(); p.grad = torch.ones(2); o.step(); o.load_state_dict(o.state_dict())\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
