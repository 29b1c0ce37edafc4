"""Averages of weights: smoother, and as a rule better, than the last of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

__all__ = ["EpochAverage", "WeightAverage"]

COUNT = "#count"


class WeightAverage:
    """Exponential moving average of the trained parameters of a module.

    ::

        m_t = m_(t-1) + (1 - d_t) (w_t - m_(t-1))        d_t = min(decay, t / (t + 4))

    so that the first steps, far from the end, are soon forgotten.

    Args:
        module: Its parameters that require gradients are averaged.
        decay: Weight of the past, 0.9 to 0.999; 0 averages nothing.

    Paper:
        Polyak, Juditsky: Acceleration of Stochastic Approximation by Averaging, SIAM J. Control Optim. 30(4), 1992,
        https://doi.org/10.1137/0330046 (the plain mean; the exponential form suits short runs).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.live = {name: p for name, p in module.named_parameters() if p.requires_grad} if decay else {}
        self.mean = {name: p.detach().clone() for name, p in self.live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step (counted from 1)."""
        if not self.live:
            return
        share = 1.0 - min(self.decay, step / (step + 4.0))
        torch._foreach_lerp_(list(self.mean.values()), [p.detach() for p in self.live.values()], share)

    def end_epoch(self, epoch: int) -> None:
        """Epochs do not matter to it."""

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the averages in place of the weights inside, and the weights back after: the two change places."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold."""
        return self.mean

    def load(self, state: dict[str, Tensor]) -> None:
        """Take up a checkpoint's state."""
        for name, value in self.mean.items():
            value.copy_(state[name])

    @torch.no_grad()
    def _exchange(self) -> None:
        """Let weights and averages change places, one tensor after the other: one at a time is held twice."""
        for name, p in self.live.items():
            kept = p.detach().clone()
            p.copy_(self.mean[name])
            self.mean[name].copy_(kept)


class EpochAverage(WeightAverage):
    """Plain mean of the weights at the ends of epochs, from one epoch on (stochastic weight averaging).

    ::

        m = 1/n sum over e = first .. first + n - 1 of w_e        the weights themselves before `first`

    Args:
        module: Its parameters that require gradients are averaged.
        first: First epoch whose end counts: about three quarters of the way, with a rate that stays high.

    Paper:
        Izmailov, Podoprikhin, Garipov, Vetrov, Wilson: Averaging Weights Leads to Wider Optima and Better
        Generalization, UAI 2018, https://arxiv.org/abs/1803.05407, algorithm 1 with cycles of one epoch.
    """

    def __init__(self, module: nn.Module, first: int) -> None:
        super().__init__(module, 1.0)
        self.first = first
        self.count = torch.zeros((), dtype=torch.int64)

    def update(self, step: int) -> None:
        """Steps do not matter to it."""

    @torch.no_grad()
    def end_epoch(self, epoch: int) -> None:
        """Take in the weights after an epoch (counted from 1)."""
        if epoch < self.first or not self.live:
            return
        self.count += 1
        share = 1.0 / int(self.count)
        torch._foreach_lerp_(list(self.mean.values()), [p.detach() for p in self.live.values()], share)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the mean in place of the weights inside, once there is one."""
        with super().in_place() if self.count else contextlib.nullcontext():
            yield

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold."""
        return {**self.mean, COUNT: self.count}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take up a checkpoint's state."""
        super().load(state)
        self.count.copy_(state[COUNT])
