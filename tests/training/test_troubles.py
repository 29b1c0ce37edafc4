from __future__ import annotations

import pytest
import torch

from reccli.errors import OutOfMemoryError
from reccli.training.task import Plan
from reccli.training.troubles import told

PLAN = Plan(epochs=1, batch_size=8, learning_rate=0.1)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA"), MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)
def test_memory_is_named_with_a_smaller_batch(error: Exception) -> None:
    with pytest.raises(OutOfMemoryError, match="batches of 8 rows") as full, told(PLAN):
        raise error
    assert full.value.hint == "--batch-size 4"


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shape"), told(PLAN):
        raise RuntimeError("shape mismatch")
