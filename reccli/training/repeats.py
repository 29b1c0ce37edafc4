"""In-batch negatives that come several times, each once. B batch rows, N negatives, X distinct items."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from reccli.api.batch import Batch
from reccli.api.loss import Loss
from reccli.training.mechanics import Mechanics

__all__ = ["may_count", "once_each"]


def may_count(parts: Iterable[tuple[Loss | None, frozenset[str]]], mechanics: Mechanics) -> bool:
    """Return whether repeated negatives may come once: some loss needs negatives, and all that do weigh by counts.

    Nothing must tell places apart, as dropout of vectors does, which draws for each, and a memory, which is joined
    behind them.

    Args:
        parts: Losses, and what each of them needs.
        mechanics: How a batch becomes a loss.
    """
    drawing = [loss for loss, needs in parts if loss is not None and "negatives" in needs]
    weighing = bool(drawing) and all(loss.counts_negatives for loss in drawing)
    return weighing and not mechanics.memory and not mechanics.dropout


def once_each(batch: Batch) -> tuple[Batch, Tensor | None]:
    """Return the batch with each in-batch negative once, by code, and how often it comes, X float32; None for others.

    A batch of interactions holds popular items many times; on Gowalla, 16,384 rows have about 10,700 distinct items.
    Of a pool each row keeps negatives of its own, to which no counts belong.
    """
    negatives = batch.negatives
    if not negatives.in_batch or negatives.hardest or negatives.shared_N is None:
        return batch, None
    code_X, place_N, count_X = torch.unique(negatives.shared_N, return_inverse=True, return_counts=True)
    log_q_X = negatives.log_q_N
    if log_q_X is not None:  # places of one item have one probability
        log_q_X = torch.empty_like(log_q_X[: len(code_X)]).index_put_((place_N,), log_q_X)
    return replace(batch, negatives=replace(negatives, shared_N=code_X, log_q_N=log_q_X)), count_X.float()
