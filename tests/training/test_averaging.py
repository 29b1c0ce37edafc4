from __future__ import annotations

import torch

from reccli.stages.common import Control
from reccli.training.averaging import EpochAverage, WeightAverage
from reccli.training.loop import train
from reccli.training.task import Plan


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


def test_epochs_are_averaged_plainly_from_the_first_that_counts_on() -> None:
    layer = torch.nn.Linear(2, 1, bias=False)
    average, ends = EpochAverage(layer, 3), []
    for epoch in range(1, 7):
        with torch.no_grad():
            layer.weight.add_(float(epoch) ** 2)
        average.update(epoch)
        average.end_epoch(epoch)
        live = layer.weight.detach().clone()
        ends.append(live)
        if epoch == 4:  # a run that is taken up again
            state = {name: value.clone() for name, value in average.state().items()}
            average = EpochAverage(layer, 3)
            average.load(state)
        with average.in_place():
            expected = torch.stack(ends[2:]).mean(0) if epoch >= 3 else live
            torch.testing.assert_close(layer.weight.detach(), expected)
        assert torch.equal(layer.weight, live)


def test_the_mean_is_what_is_kept(regression) -> None:
    ends = []
    for swa in (0, 4):
        task = regression()
        task.validate = dict  # nothing to choose by: the last epoch is kept
        draw, begun = task.batches, []

        def batches(epoch, task=task, draw=draw, begun=begun):
            begun.append(task.module.linear.weight.detach().clone())
            return draw(epoch)

        task.batches = batches
        train(task, Plan(epochs=6, batch_size=4, learning_rate=0.02, swa=swa), Control())
        ends.append([*begun[1:], task.module.linear.weight.detach()])
    live, averaged = ends
    torch.testing.assert_close(averaged[-1], torch.stack(live[3:]).mean(0))
    assert all(torch.equal(first, second) for first, second in zip(live[:-1], averaged[:-1], strict=True))
