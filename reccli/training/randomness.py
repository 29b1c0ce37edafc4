"""Random states: seeding torch for one run alone, and finding all generators that a run draws from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["generator_states", "load_generators", "load_random", "random_state", "seeded"]


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's own generators (dropout draws from them) inside, and put them back as they were after."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def random_state(
    module: nn.Module, generators: Mapping[str, torch.Generator], device: torch.device
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the states of torch's generators and of all generators that the run holds: tensors, and plain values."""
    tensors = {"torch": torch.get_rng_state()}
    if device.type == "cuda":
        tensors["cuda"] = torch.cuda.get_rng_state(device)
    plain: dict[str, Any] = {}
    for name, generator in _held(module, generators).items():
        if isinstance(generator, torch.Generator):
            tensors[name] = generator.get_state()
        else:
            plain[name] = _plain(generator.bit_generator.state)
    return tensors, plain


def load_random(
    module: nn.Module,
    generators: Mapping[str, torch.Generator],
    device: torch.device,
    tensors: Mapping[str, Tensor],
    plain: Mapping[str, Any],
) -> None:
    """Put all generators into saved states."""
    torch.set_rng_state(tensors["torch"])
    if device.type == "cuda" and "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"], device)
    for name, generator in _held(module, generators).items():
        if isinstance(generator, torch.Generator) and name in tensors:
            generator.set_state(tensors[name])
        elif isinstance(generator, np.random.Generator) and name in plain:
            generator.bit_generator.state = plain[name]


def generator_states(module: nn.Module) -> dict[str, Any]:
    """Return the states of the generators that a module's parts hold as attributes, by place."""
    return {
        name: generator.get_state() if isinstance(generator, torch.Generator) else generator.bit_generator.state
        for name, generator in _held(module, {}).items()
    }


def load_generators(module: nn.Module, states: Mapping[str, Any]) -> None:
    """Put the generators that a module's parts hold into saved states."""
    for name, generator in _held(module, {}).items():
        if isinstance(generator, torch.Generator):
            generator.set_state(states[name])
        else:
            generator.bit_generator.state = states[name]


def _held(
    module: nn.Module, generators: Mapping[str, torch.Generator]
) -> dict[str, torch.Generator | np.random.Generator]:
    found: dict[str, torch.Generator | np.random.Generator] = {f"task/{name}": one for name, one in generators.items()}
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            if isinstance(value, torch.Generator | np.random.Generator):
                found[f"module/{path}.{name}"] = value
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
