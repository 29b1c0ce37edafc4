"""Adam and AdamW in one pass over the weights.

P weights of a tensor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["Adam"]

AVERAGES = ("exp_avg", "exp_avg_sq")


class Adam:
    """Steps of a size that the gradient's mean and mean square decide, for each weight by itself.

    ::

        m_t = b1 m_(t-1) + (1 - b1) g_t            v_t = b2 v_(t-1) + (1 - b2) g_t^2
        w_t = w_(t-1) - rate * m_t / (1 - b1^t) / (sqrt(v_t / (1 - b2^t)) + eps)

    with `rate * decay * w_(t-1)` taken off besides where the decay is decoupled (AdamW); otherwise `decay * w_(t-1)` is
    part of the gradient. This is the fused kernel that torch's own classes call, to the last digit. These load the
    machinery of `torch.compile` when the first of them is made, which takes 70 MB and a second of CPU time.

    Args:
        groups: `params`, `lr` and `weight_decay` of each; further entries are kept.
        betas: `b1` and `b2`.
        decoupled: AdamW.
        eps: Keeps the quotient finite.

    Paper:
        Kingma, Ba: Adam, ICLR 2015, https://arxiv.org/abs/1412.6980, algorithm 1. Loshchilov, Hutter: Decoupled Weight
        Decay Regularization, ICLR 2019, https://arxiv.org/abs/1711.05101, algorithm 2.
    """

    def __init__(
        self, groups: Sequence[dict[str, Any]], *, betas: tuple[float, float], decoupled: bool, eps: float = 1e-8
    ) -> None:
        self.param_groups = list(groups)
        self.betas, self.eps = betas, eps
        self.kernel = torch._fused_adamw_ if decoupled else torch._fused_adam_
        self.state: dict[Tensor, dict[str, Tensor]] = {}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients, or fill them with zeros."""
        for p in self._parameters():
            if p.grad is not None and not set_to_none:
                p.grad.zero_()
            elif set_to_none:
                p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move all weights that have a gradient."""
        for group in self.param_groups:
            alike: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    alike.setdefault((p.device, p.dtype), []).append(p)
            for weights in alike.values():
                self._move(weights, float(group["lr"]), float(group["weight_decay"]))

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold, in the form of torch's own classes."""
        number = {p: place for place, p in enumerate(self._parameters())}
        groups, first = [], 0
        for group in self.param_groups:
            plain = {name: value for name, value in group.items() if name != "params"}
            groups.append({**plain, "params": list(range(first, first + len(group["params"])))})
            first += len(group["params"])
        return {"state": {number[p]: dict(entries) for p, entries in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a checkpoint's state.

        Raises:
            ValueError: It is of other weights.
        """
        parameters = self._parameters()
        sizes = [len(group["params"]) for group in state["param_groups"]]
        if sizes != [len(group["params"]) for group in self.param_groups]:
            raise ValueError("the optimiser's state is of other groups of weights")
        for number, entries in state["state"].items():
            p = parameters[int(number)]
            if entries["exp_avg"].shape != p.shape:
                raise ValueError("the optimiser's state is of weights of other shapes")
            self.state[p] = {
                name: value.to(device=p.device, dtype=torch.float32 if name == "step" else p.dtype, copy=True)
                for name, value in entries.items()
            }
        for group, kept in zip(self.param_groups, state["param_groups"], strict=True):
            group.update({name: value for name, value in kept.items() if name != "params"})

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def _move(self, weights: list[Tensor], rate: float, decay: float) -> None:
        for p in weights:
            if p not in self.state:
                zeros = {name: torch.zeros_like(p, memory_format=torch.preserve_format) for name in AVERAGES}
                self.state[p] = {"step": torch.zeros((), dtype=torch.float32, device=p.device), **zeros}
        gradients = [p.grad for p in weights if p.grad is not None]
        first, second = ([self.state[p][name] for p in weights] for name in AVERAGES)
        steps = [self.state[p]["step"] for p in weights]
        torch._foreach_add_(steps, 1)
        self.kernel(
            weights,
            gradients,
            first,
            second,
            [],
            steps,
            lr=rate,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=decay,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )
