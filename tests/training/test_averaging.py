from __future__ import annotations

import torch

from reccli.training.averaging import WeightAverage


def test_is_the_recursion_and_swaps_in_and_out() -> None:
    layer = torch.nn.Linear(2, 1, bias=False)
    average = WeightAverage(layer, 0.5)
    expected = layer.weight.detach().clone()
    for step in range(1, 9):
        with torch.no_grad():
            layer.weight.add_(1.0)
        average.update(step)
        decay = min(0.5, step / (step + 4))
        expected = decay * expected + (1 - decay) * layer.weight.detach()
    live = layer.weight.detach().clone()
    with average.in_place():
        torch.testing.assert_close(layer.weight.detach(), expected)
    torch.testing.assert_close(layer.weight.detach(), live)


def test_no_decay_averages_nothing() -> None:
    layer = torch.nn.Linear(2, 1)
    average = WeightAverage(layer, 0.0)
    average.update(1)
    with average.in_place():
        assert average.state() == {}
