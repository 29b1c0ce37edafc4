"""L1 and L2 penalties on the embeddings that a batch used. D embedding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["embedding_norms"]


def embedding_norms(tensors: Sequence[Tensor], *, l1: float = 0.0, l2: float = 0.0, rows: int = 1) -> Tensor:
    """Return the penalty of a batch's embeddings, a scalar: `(l1 * sum |x| + l2 / 2 * sum x^2) / rows`.

    The half makes the gradient of the second part `l2 * x`. Dividing by the batch's rows keeps its weight against the
    mean loss the same for every batch size. `Encoder.regularised` says which tensors these are.

    Args:
        tensors: Embeddings, each of rows of D; may be empty.
        l1: Weight of the absolute values; 0, or 1e-7 to 1e-4.
        l2: Weight of the squares; 0, or 1e-6 to 1e-2.
        rows: Rows of the batch.
    """
    total = tensors[0].new_zeros(()) if tensors else torch.zeros(())
    for tensor in tensors:
        if l1:
            total = total + l1 * tensor.abs().sum()
        if l2:
            total = total + 0.5 * l2 * tensor.square().sum()
    return total / max(rows, 1)
