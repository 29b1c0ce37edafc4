"""Sums over many items of the exponentials of scores, with one buffer of scores and no second product for them.

R rows, N items, D embedding, r rows of a block.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from reccli.nn.rooms import roomy

__all__ = ["log_sum_exp"]


def log_sum_exp(
    user_RD: Tensor,
    item_ND: Tensor,
    shift_N: Tensor | None = None,
    known_RN: Tensor | None = None,
    *,
    block: int = 1 << 24,
) -> Tensor:
    """Return the logarithm of each row's sum of exponentials over all items that it does not know, R.

    ::

        out_r = log( sum over items n that row r does not know of  exp(u_r . v_n + c_n) )

    Args:
        user_RD: Vectors of rows, scaled as the scores are to be; they get gradients.
        item_ND: Vectors of items; they get gradients.
        shift_N: `c`, constants that are added to the scores of items.
        known_RN: True where an item is left out of a row's sum.
        block: Scores held at a time. Up to as many, they are made once and kept for the backward pass; above it, blocks
            of rows are made one after the other, and again in the backward pass.

    Notes:
        All is done in one buffer, where a chain of plain operations makes (and walks through) five of its size. A row
        that knows all items, or has none, has a finite stand-in for minus infinity, and its gradient is what comes in
        times the mean of the items: nothing after `logaddexp` or `softplus` with anything finite.
    """
    if not len(item_ND):
        return user_RD.sum(1) * 0.0 + _lowest(user_RD)
    rows = max(1, block // len(item_ND))
    return _LogSumExp.apply(user_RD, item_ND, shift_N, known_RN, rows)  # type: ignore[no-untyped-call,no-any-return]


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, user_RD: Tensor, item_ND: Tensor, shift_N: Tensor | None, known_RN: Tensor | None, rows: int
    ) -> Tensor:
        ctx.rows, kept_RN = rows, None
        peak_R, sum_R = user_RD.new_empty(len(user_RD)), user_RD.new_empty(len(user_RD))
        for part in _parts(len(user_RD), rows):
            known_rN = None if known_RN is None else known_RN[part]
            kept_RN, peak_R[part], sum_R[part] = _shares(user_RD[part], item_ND, shift_N, known_rN)
        if len(user_RD) > rows:
            kept_RN = None
        ctx.save_for_backward(user_RD, item_ND, shift_N, known_RN, kept_RN, sum_R)
        return peak_R + sum_R.log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_R: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        user_RD, item_ND, shift_N, known_RN, kept_RN, sum_R = ctx.saved_tensors
        for_users, for_items = ctx.needs_input_grad[:2]
        weight_R1 = (gradient_R / sum_R)[:, None]
        user_gradient_RD = torch.empty_like(user_RD) if for_users else None
        item_gradient_ND = torch.zeros_like(item_ND) if for_items else None
        for part in _parts(len(user_RD), ctx.rows):
            share_rN = kept_RN
            if share_rN is None:
                known_rN = None if known_RN is None else known_RN[part]
                share_rN, _, _ = _shares(user_RD[part], item_ND, shift_N, known_rN)
            if user_gradient_RD is not None:
                user_gradient_RD[part] = (share_rN @ item_ND) * weight_R1[part]
            if item_gradient_ND is not None:
                item_gradient_ND.addmm_(share_rN.T, user_RD[part] * weight_R1[part])
        return user_gradient_RD, item_gradient_ND, None, None, None


def _parts(total: int, rows: int) -> list[slice]:
    return [slice(start, start + rows) for start in range(0, total, rows)]


def _shares(
    user_rD: Tensor, item_ND: Tensor, shift_N: Tensor | None, known_rN: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return exponentials of scores less the row's largest, rN, these largest scores, r, and the rows' sums, r."""
    score_rN = _product(user_rD, item_ND)
    if shift_N is not None:
        score_rN += shift_N
    if known_rN is not None:
        score_rN.masked_fill_(known_rN, _lowest(score_rN))
    peak_r = score_rN.amax(1)
    share_rN = score_rN.sub_(peak_r[:, None]).exp_()
    return share_rN, peak_r, share_rN.sum(1)


def _product(user_rD: Tensor, item_ND: Tensor) -> Tensor:
    if torch.is_autocast_enabled(user_rD.device.type):  # it chooses the type of what it makes itself
        return user_rD @ item_ND.T
    score_rN = roomy(len(user_rD), len(item_ND), dtype=user_rD.dtype, device=user_rD.device)
    return torch.mm(user_rD, item_ND.T, out=score_rN)


def _lowest(like: Tensor) -> float:
    """What stands for minus infinity, of which the difference with itself is no number."""
    return float(torch.finfo(like.dtype).min / 4)
