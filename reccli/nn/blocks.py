"""Rows in blocks whose activations are computed again in the backward pass: bounded memory, exact gradients.

R rows, B batch rows, N negatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from reccli.api.batch import LossInputs

__all__ = ["in_blocks", "over_negatives"]


def in_blocks(compute: Callable[..., Tensor], parts: Sequence[Tensor | None], rows: int) -> Tensor:
    """Return `compute(*parts)`, at most `rows` rows at a time.

    Args:
        compute: Maps rows of `parts` to one value (or vector) per row, each row by itself; it may use other tensors,
            which get gradients as well.
        parts: Tensors of R rows, or None, which stays None.
        rows: Rows of a block, at least 1. All at once where there are no more.
    """
    total = next(len(part) for part in parts if part is not None)
    if total <= rows:
        return compute(*parts)
    blocks = [
        checkpoint(
            compute,
            *(None if part is None else part[start : start + rows] for part in parts),
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for start in range(0, total, rows)
    ]
    return torch.cat(blocks)


def over_negatives(
    inputs: LossInputs, compute: Callable[[Tensor, Tensor, Tensor], Tensor], *, block: int = 1 << 24
) -> Tensor:
    """Return a pairwise loss of each row, B, with at most `block` scores held at a time.

    Args:
        inputs: What the loss sees, with negatives.
        compute: Maps scores of the positives B, of the negatives BN, and which of them are known BN, to values B.
        block: Scores (rows times negatives) of a block.
    """
    user_BD, negative_BND = inputs.user_BD, inputs.negative_BND
    source = inputs.negative_ND if negative_BND is None else negative_BND[0]
    count = 0 if source is None else len(source)
    known_BN = inputs.known_BN
    if known_BN is None:
        known_BN = torch.zeros(len(user_BD), count, dtype=torch.bool, device=user_BD.device)

    def values(user_BD: Tensor, positive_BD: Tensor, own_BND: Tensor | None, known_BN: Tensor) -> Tensor:
        if inputs.negative_ND is not None:
            score_BN = inputs.similarity.matrix(user_BD, inputs.negative_ND)
        elif own_BND is not None:
            score_BN = inputs.similarity.own(user_BD, own_BND)
        else:
            score_BN = user_BD.new_zeros((len(user_BD), 0))
        return compute(inputs.similarity.pairs(user_BD, positive_BD), score_BN, known_BN)

    return in_blocks(values, [user_BD, inputs.positive_BD, negative_BND, known_BN], max(1, block // max(count, 1)))
