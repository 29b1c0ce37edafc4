"""Users encoded in blocks of histories. U users, D embedding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from reccli.api.data import Histories

__all__ = ["by_blocks"]


@torch.no_grad()
def by_blocks(encode: Callable[[Histories], Tensor], histories: Histories, block: int, size: int) -> Tensor:
    """Return the vectors of all histories, UD float32 on the CPU, encoded so many at a time.

    Args:
        encode: Histories to their vectors.
        histories: Of U users, which may be none.
        block: Users at a time.
        size: D, for the shape where there is no user.
    """
    blocks = [
        encode(histories.rows(np.arange(low, min(low + block, histories.n_users)))).float().cpu()
        for low in range(0, histories.n_users, block)
    ]
    return torch.cat(blocks) if blocks else torch.empty(0, size)
