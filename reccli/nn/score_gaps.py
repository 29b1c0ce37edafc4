"""Row by row, how far negatives score above a positive, in blocks that stay in the cache.

B batch rows, G distinct users (or rows, where they are not known), N negatives, b rows of a block.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

__all__ = ["mean_logistic_gap"]

BLOCK = 1 << 18


def mean_logistic_gap(
    score_GN: Tensor,
    positive_B: Tensor,
    place_B: Tensor | None,
    known_GN: Tensor | None,
    *,
    count_N: Tensor | None = None,
    scale: float = 1.0,
    block: int = BLOCK,
) -> Tensor:
    """Return each row's mean over the negatives that its user does not know of a logistic loss, B.

    ::

        out_b = mean over valid n of log(1 + exp(scale (s_gn - s_b)))        g the place of row b

    Args:
        score_GN: Scores of negatives, once for each user; they get gradients.
        positive_B: Scores of the rows' positives; they get gradients.
        place_B: Row of `score_GN` that each row has; None where they are the rows themselves.
        known_GN: True where a negative is none; a row without any valid one has 0.
        count_N: How often each negative counts; None for once.
        scale: What differences are multiplied by.
        block: Differences held at a time.

    Notes:
        Differences are made block by block, and again in the backward pass: of rows times negatives nothing is kept.
    """
    rows = max(1, block // max(score_GN.shape[1], 1))
    count_N = None if count_N is None else count_N.to(score_GN.dtype)
    return _Gap.apply(score_GN, positive_B, place_B, known_GN, count_N, scale, rows)  # type: ignore[no-untyped-call,no-any-return]


class _Gap(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        score_GN: Tensor,
        positive_B: Tensor,
        place_B: Tensor | None,
        known_GN: Tensor | None,
        count_N: Tensor | None,
        scale: float,
        rows: int,
    ) -> Tensor:
        ctx.scale, ctx.rows = scale, rows
        ctx.save_for_backward(score_GN, positive_B, place_B, known_GN, count_N)
        value_B = torch.empty_like(positive_B)
        for part in _parts(len(positive_B), rows):
            gap_bN, known_bN = _gaps(score_GN, positive_B, place_B, known_GN, scale, part)
            each_bN = functional.softplus(gap_bN)
            if known_bN is not None:
                each_bN.masked_fill_(known_bN, 0.0)
            value_B[part] = each_bN.sum(1) if count_N is None else each_bN @ count_N
        return value_B / _counts(score_GN, place_B, known_GN, count_N)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_B: Tensor) -> tuple[Tensor | None, ...]:
        score_GN, positive_B, place_B, known_GN, count_N = ctx.saved_tensors
        weight_B = gradient_B * ctx.scale / _counts(score_GN, place_B, known_GN, count_N)
        score_gradient_GN, positive_gradient_B = torch.zeros_like(score_GN), torch.empty_like(positive_B)
        for part in _parts(len(positive_B), ctx.rows):
            gap_bN, known_bN = _gaps(score_GN, positive_B, place_B, known_GN, ctx.scale, part)
            share_bN = gap_bN.sigmoid_()
            if known_bN is not None:
                share_bN.masked_fill_(known_bN, 0.0)
            share_bN *= weight_B[part, None]
            if count_N is not None:
                share_bN *= count_N
            positive_gradient_B[part] = -share_bN.sum(1)
            if place_B is None:
                score_gradient_GN[part] = share_bN
            else:
                score_gradient_GN.index_add_(0, place_B[part], share_bN)
        return score_gradient_GN, positive_gradient_B, None, None, None, None, None


def _parts(total: int, rows: int) -> list[slice]:
    return [slice(start, start + rows) for start in range(0, total, rows)]


def _gaps(
    score_GN: Tensor, positive_B: Tensor, place_B: Tensor | None, known_GN: Tensor | None, scale: float, part: slice
) -> tuple[Tensor, Tensor | None]:
    """Return scaled differences of some rows, bN, and the mask of those that do not count."""
    if place_B is None:
        gap_bN = score_GN[part] - positive_B[part, None]
        return gap_bN.mul_(scale), None if known_GN is None else known_GN[part]
    gap_bN = score_GN.index_select(0, place_B[part]).sub_(positive_B[part, None])
    return gap_bN.mul_(scale), None if known_GN is None else known_GN.index_select(0, place_B[part])


def _counts(
    score_GN: Tensor, place_B: Tensor | None, known_GN: Tensor | None, count_N: Tensor | None
) -> Tensor | float:
    if known_GN is None:
        return max(float(score_GN.shape[1] if count_N is None else count_N.sum()), 1.0)
    valid_GN = ~known_GN
    count_G = (valid_GN.sum(1) if count_N is None else valid_GN.to(count_N.dtype) @ count_N).clamp_min(1)
    return count_G if place_B is None else count_G.index_select(0, place_B)
