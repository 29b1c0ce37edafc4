"""A copy of what training changes, as it was in the best epoch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from reccli.nn.constants import changing, take_up

__all__ = ["BestWeights"]


class BestWeights:
    """The best weights so far, none at the beginning; a better epoch is written over them, where they lie."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}

    @torch.no_grad()
    def take(self, module: nn.Module) -> None:
        """Copy what a module's state is now, constants left out."""
        self.tensors = {name: _copied(value, self.tensors.get(name)) for name, value in changing(module).items()}

    def put_back(self, module: nn.Module) -> None:
        """Load what was copied into a module; nothing where nothing was."""
        if self.tensors:
            take_up(module, self.tensors)

    def load(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Take up a checkpoint's tensors."""
        self.tensors = {name: value.to(device) for name, value in tensors.items()}


def _copied(value: Tensor, room: Tensor | None) -> Tensor:
    if room is None or room.shape != value.shape or room.dtype != value.dtype or room.device != value.device:
        return value.detach().clone()
    return room.copy_(value.detach())
