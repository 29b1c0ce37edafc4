"""A moving average of weights: smoother, and as a rule better, than the last of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]


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

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the averages in place of the weights inside, and the weights back after."""
        kept = {name: p.detach().clone() for name, p in self.live.items()}
        self._put(self.mean)
        try:
            yield
        finally:
            self._put(kept)

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold."""
        return self.mean

    def load(self, state: dict[str, Tensor]) -> None:
        """Take up a checkpoint's state."""
        for name, value in self.mean.items():
            value.copy_(state[name])

    @torch.no_grad()
    def _put(self, values: dict[str, Tensor]) -> None:
        for name, p in self.live.items():
            p.copy_(values[name])
