"""One torch thread, and a small task for the loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from reccli.stages.common import Control
from reccli.training.batching import row_batches


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Net(nn.Module):
    """Linear regression with dropout, noise of its own generator, and a counter that only the state holds."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 1)
        self.dropout = nn.Dropout(0.3)
        self.noise = torch.Generator().manual_seed(5)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        return self.linear(self.dropout(x + 0.01 * torch.randn(x.shape, generator=self.noise))).squeeze(1)


class Regression:
    """Implements `TrainingTask`."""

    label, metric, higher_is_better = "toy", "error", False

    def __init__(self, rows: int = 20) -> None:
        torch.manual_seed(3)
        self.module = Net()
        self.generators = {"sampler": torch.Generator().manual_seed(9)}
        self.x = torch.randn(rows, 3)
        self.y = self.x @ torch.tensor([1.0, -2.0, 0.5])
        self.n_rows = rows
        self.poison: int | None = None
        self.steps = 0

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.module.parameters()), "lr_scale": 1.0}]

    def begin_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def batches(self, epoch: int) -> Sequence[Tensor]:
        return row_batches(torch.arange(self.n_rows), 4, torch.Generator().manual_seed(100 + epoch))

    def loss(self, row_B: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        self.steps += 1
        weight_B = 0.5 + torch.rand(len(row_B), generator=self.generators["sampler"])
        loss = (weight_B * (self.module(self.x[row_B]) - self.y[row_B]).square()).mean()
        if self.poison is not None and self.steps > self.poison:
            loss = loss * float("nan")
        return loss, {}

    def validate(self) -> Mapping[str, float]:
        with torch.no_grad():
            return {"error": float((self.x @ self.module.linear.weight.T).squeeze(1).sub(self.y).square().mean())}


@pytest.fixture
def regression() -> type[Regression]:
    return Regression


class StopAfter:
    """A `Control` that asks to stop after so many questions."""

    def __init__(self, questions: int) -> None:
        self.left = questions

    def control(self) -> Control:
        return Control(stop=self)

    def __call__(self) -> int | None:
        self.left -= 1
        return 15 if self.left < 0 else None


@pytest.fixture
def stop_after() -> type[StopAfter]:
    return StopAfter
