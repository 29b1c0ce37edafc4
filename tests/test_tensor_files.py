"""What is written is what is read; copies are made of shared and partial memory alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors.torch import load_file

from reccli.tensor_files import write_tensors


def test_tensors_come_back_whatever_their_memory(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    tensors = {
        "whole": whole,
        "again": whole,
        "row": whole[1],
        "turned": whole.T,
        "grown": torch.nn.Parameter(torch.ones(2, dtype=torch.float64)),
        "empty": torch.zeros(0, 3),
        "none": torch.zeros(0),
        "count": torch.tensor(5),
        "flags": torch.tensor([True, False]),
    }
    write_tensors(tmp_path / "t.safetensors", tensors)
    found = load_file(tmp_path / "t.safetensors")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor.detach())
        assert found[name].dtype == tensor.dtype


def test_what_lies_right_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, torch.Tensor] = {}
    monkeypatch.setattr(safetensors.torch, "save_file", lambda tensors, file: seen.update(tensors))
    whole = torch.ones(3, 4)
    write_tensors(tmp_path / "t.safetensors", {"whole": whole, "part": whole[:2]})
    assert seen["whole"].data_ptr() == whole.data_ptr()
    assert seen["part"].data_ptr() != whole.data_ptr()
