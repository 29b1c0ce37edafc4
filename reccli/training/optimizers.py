"""Optimisers by name, over parameter groups with rates of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from reccli.errors import one_of
from reccli.training.adam import Adam

__all__ = ["Stepper", "build_optimizer", "set_rate"]

Stepper = torch.optim.Optimizer | Adam
"""What the loop steps with."""

NAMES = ("adam", "adamw", "sgd", "adafactor")
BETAS = (0.9, 0.99)  # runs of some hundred steps: the usual 0.999 would remember the start to the end


def build_optimizer(
    name: str, groups: Iterable[Mapping[str, Any]], *, learning_rate: float, weight_decay: float
) -> Stepper:
    """Build an optimiser.

    Args:
        name: `adam`, `adamw`, `sgd` (momentum 0.9) or `adafactor`.
        groups: `params`, and where they differ `lr_scale` (multiplies the rate), `weight_decay` and `warmup`.
        learning_rate: Peak rate.
        weight_decay: Decay of groups that do not say their own.

    Raises:
        ConfigError: The name is unknown.
    """
    prepared = [
        {
            "params": list(group["params"]),
            "lr": learning_rate * group.get("lr_scale", 1.0),
            "weight_decay": group.get("weight_decay", weight_decay),
            "peak": learning_rate * group.get("lr_scale", 1.0),
            "warmup": float(group.get("warmup", 0.0)),
        }
        for group in groups
        if list(group["params"])
    ]
    if name in ("adam", "adamw") and _fused(prepared):
        return Adam(prepared, betas=BETAS, decoupled=name == "adamw")
    if name == "adam":
        return torch.optim.Adam(prepared, lr=learning_rate, betas=BETAS)
    if name == "adamw":
        return torch.optim.AdamW(prepared, lr=learning_rate, betas=BETAS)
    if name == "sgd":
        return torch.optim.SGD(prepared, lr=learning_rate, momentum=0.9)
    if name == "adafactor":
        return torch.optim.Adafactor(prepared, lr=learning_rate)
    raise one_of("optimizer", name, NAMES)


def _fused(groups: list[dict[str, Any]]) -> bool:
    """Whether all weights can be read and written in one go: torch has it for where they are."""
    kinds = {parameter.device.type for group in groups for parameter in group["params"]}
    return bool(kinds) and kinds <= {"cpu", "cuda"}


def set_rate(optimizer: Stepper, factor_after: Callable[[float], float]) -> None:
    """Set each group's rate to its peak times what is given for the share of steps that it warms up over."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor_after(group["warmup"])
