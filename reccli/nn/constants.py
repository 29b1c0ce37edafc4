"""What of a module's state training changes, and what it leaves as it is."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

__all__ = ["changing", "constant", "take_up"]


def constant(module: nn.Module) -> dict[str, Tensor]:
    """Return the part of the state that training never changes, by name.

    Any module of the tree may have `constants`: names of its buffers, or of those of its parts (`words.mean_L`), that
    are what they are once it is set up, as large tables that were solved or read. One copy of them is enough for all
    that a training keeps.
    """
    names = {
        f"{path}.{name}" if path else name
        for path, part in module.named_modules()
        for name in getattr(part, "constants", ())
    }
    return {name: value for name, value in module.state_dict().items() if name in names}


def changing(module: nn.Module) -> dict[str, Tensor]:
    """Return the rest of the state, by name: the tensors themselves, no copies."""
    left = constant(module)
    return {name: value for name, value in module.state_dict().items() if name not in left}


def take_up(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load what `changing` gives; constants stay.

    Raises:
        RuntimeError: The tensors are of another module.
    """
    module.load_state_dict({**constant(module), **tensors})
