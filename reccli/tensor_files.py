"""Tensors into safetensors files, without a second copy of those that lie in memory as the file wants them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["write_tensors"]


def write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors by name.

    What is on the CPU, contiguous and has its memory to itself is written from where it lies; the rest is copied:
    safetensors takes no tensors that share memory, nor parts of larger ones.
    """
    from safetensors.torch import save_file

    taken: set[int] = set()
    written = {}
    for name, tensor in tensors.items():
        held = tensor.detach().cpu().contiguous()
        storage = held.untyped_storage()
        if storage.data_ptr() in taken or storage.nbytes() != held.numel() * held.element_size():
            held = held.clone()
        taken.add(held.untyped_storage().data_ptr())
        written[name] = held
    save_file(written, file)
