from __future__ import annotations

import pytest
import torch
from torch import nn

from reccli.errors import ConfigError
from reccli.training.optimizers import build_optimizer, set_rate
from reccli.training.schedules import factor


def test_groups_have_rates_and_warm_ups_of_their_own() -> None:
    head, trunk = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    groups = [{"params": [head]}, {"params": [trunk], "lr_scale": 0.1, "warmup": 0.5}, {"params": []}]
    optimizer = build_optimizer("adamw", groups, learning_rate=0.01, weight_decay=0.0)
    assert len(optimizer.param_groups) == 2
    found = []
    for step in range(10):
        set_rate(optimizer, lambda warmup, step=step: factor("constant", step, 10, max(warmup, 0.2)))
        found.append([group["lr"] for group in optimizer.param_groups])
    assert [head for head, _ in found] == pytest.approx([0.005, *[0.01] * 9])
    assert [trunk for _, trunk in found] == pytest.approx([0.0002, 0.0004, 0.0006, 0.0008, *[0.001] * 6])


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="adamax"):
        build_optimizer("adamax", [], learning_rate=0.1, weight_decay=0.0)


@pytest.mark.parametrize(("name", "plain"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_the_fused_step_is_the_plain_one(name: str, plain: type[torch.optim.Optimizer]) -> None:
    weights = [nn.Parameter(torch.linspace(-1, 1, 7)) for _ in range(2)]
    ours = build_optimizer(name, [{"params": weights[:1]}], learning_rate=0.1, weight_decay=0.1)
    theirs = plain(weights[1:], lr=0.1, betas=(0.9, 0.99), weight_decay=0.1, fused=False, foreach=False)
    for step in range(5):
        for weight, optimizer in zip(weights, (ours, theirs), strict=True):
            weight.grad = torch.cos(weight.detach() * (step + 1))
            optimizer.step()
    torch.testing.assert_close(weights[0], weights[1], atol=1e-6, rtol=0)
    assert not torch.allclose(weights[0], torch.linspace(-1, 1, 7), atol=0.1)
