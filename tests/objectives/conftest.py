"""A tiny text model, and one torch thread."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_bert import tiny_bert

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny")
