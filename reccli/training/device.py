"""Which device, and whether it is there."""

from __future__ import annotations

import re

import torch

from reccli.errors import ConfigError, DeviceError

__all__ = ["resolve_device"]


def resolve_device(name: str) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda` or `cuda:N`; `auto` is CUDA where there is one, else the CPU.

    Raises:
        ConfigError: The name is none of these.
        DeviceError: The device is not there.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    match = re.fullmatch(r"cuda(?::(\d{1,3}))?", name)
    if match is None:
        raise ConfigError(f"device '{name}' is none of auto, cpu, cuda, cuda:N", hint="--device cpu")
    if not torch.cuda.is_available():
        raise DeviceError(f"device '{name}': this machine has no usable CUDA device", hint="--device cpu")
    number, count = int(match.group(1) or 0), torch.cuda.device_count()
    if number >= count:
        raise DeviceError(
            f"device '{name}': there are {count} CUDA devices, the last is cuda:{count - 1}", hint="--device cuda:0"
        )
    return torch.device("cuda", number)
