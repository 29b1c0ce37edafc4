"""Rooms hold what was asked for, are little larger, and come in few sizes."""

from __future__ import annotations

import pytest
import torch

from reccli.nn.rooms import roomy

CPU = torch.device("cpu")


@pytest.mark.parametrize(("rows", "columns"), [(0, 5), (1, 1), (3, 5), (7, 9), (663, 10_711), (64, 64)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bool])
def test_a_matrix_at_the_beginning_of_its_room(rows: int, columns: int, dtype: torch.dtype) -> None:
    matrix = roomy(rows, columns, dtype=dtype, device=CPU)
    assert matrix.shape == (rows, columns)
    assert matrix.dtype == dtype
    assert matrix.is_contiguous()
    assert matrix.storage_offset() == 0
    room = matrix.untyped_storage().nbytes() // matrix.element_size()
    assert rows * columns <= room <= max(1.25 * rows * columns, rows * columns + 1)


def test_sizes_are_eight_to_a_doubling_at_most() -> None:
    sizes = {roomy(1, count, dtype=torch.bool, device=CPU).untyped_storage().nbytes() for count in range(4096, 8192)}
    assert len(sizes) <= 8
