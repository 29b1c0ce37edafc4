"""Numbers of the forward pass: full, or half with scaling where the half has a small range."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from reccli.errors import DeviceError

__all__ = ["Precision"]


class Precision:
    """Autocast and gradient scaling for one device. Weights stay float32; `note` is a line for people, or "".

    Args:
        name: `auto` (bf16 on CUDA devices that have it, else fp32), `fp32`, `bf16` or `fp16`.
        device: Where training runs.

    Raises:
        DeviceError: The device does not have these numbers.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        if name == "auto":
            half = device.type == "cuda" and torch.cuda.is_bf16_supported()
            name = "bf16" if half else "fp32"
        if name == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
            raise DeviceError("precision bf16: this CUDA device has none", hint="--precision fp16")
        if name == "fp16" and device.type != "cuda":
            raise DeviceError("precision fp16 needs a CUDA device", hint="--precision fp32")
        self.name, self.device = name, device
        self.note = ""
        if name == "bf16" and device.type == "cpu" and not _cpu_has_bf16():
            self.note = "precision bf16: this CPU has no such numbers of its own and imitates them, slower than fp32"
        self.scaler = torch.amp.GradScaler("cuda") if name == "fp16" else None

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context of a forward pass."""
        if self.name == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16 if self.name == "bf16" else torch.float16)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return self.scaler.state_dict() if self.scaler is not None else {}

    def load(self, state: dict[str, Any]) -> None:
        """Take up a checkpoint's state."""
        if self.scaler is not None and state:
            self.scaler.load_state_dict(state)


def _cpu_has_bf16() -> bool:
    ask = getattr(torch.cpu, "get_capabilities", None)  # not in older versions of torch
    if ask is None:
        return True
    found = ask()
    return any(bool(found.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16", "arm_bf16", "sve_bf16"))
