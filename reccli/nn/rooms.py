"""Tensors whose room comes in few sizes, so that what one step has freed fits the next."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["roomy"]

BITS = 3  # eight sizes to a doubling


def roomy(rows: int, columns: int, *, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return an uninitialised matrix at the beginning of room for up to an eighth more numbers.

    Batches have ever other numbers of distinct users and items, and so do buffers made of them. Room of one size fits
    into none that is a little smaller, and leaves a gap in each that is a little larger: a gap a step, until the memory
    of a training is a third holes. What lies beyond the matrix is never touched, and so takes addresses alone.

    Args:
        rows: Rows of the matrix.
        columns: Columns.
        dtype: Of its numbers.
        device: Where it is to be.
    """
    wanted = rows * columns
    unit = 1 << max(0, wanted.bit_length() - BITS)
    room = torch.empty(-(-wanted // unit) * unit, dtype=dtype, device=device)
    return room[:wanted].view(rows, columns)
