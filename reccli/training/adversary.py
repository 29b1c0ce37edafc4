"""Adversarial training: each step a second time where the loss is worst nearby. R rows of a table, D embedding."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

__all__ = ["Adversary"]


class Adversary:
    """Moves the rows of embedding tables against the model, for the second half of a step.

    ::

        total = L(T) + weight L(T + d)        d_r = size * g_r / |g_r|,   g = dL / dT

    with `T` the tables of users and items (then this is APR), or of the tokens of a text model (then it is FGM). Both
    gradients are taken at their own points and added. A table that is not trained itself (tokens under LoRA) is moved
    as well, and put back.

    Args:
        tables: Embedding tables.
        again: Gives the loss of the step's batch once more: same rows, same negatives.
        size: Length that each row moves by, in the table's units: .05 to 1.
        weight: Of the second loss, .1 to 10.

    Notes:
        Each step costs twice. The move is per row, as the authors of APR compute it; Miyato et al. scale the move of a
        whole text to one length. L1 and L2 penalties are part of the first loss alone. Rows without a gradient stay.

    Paper:
        He, He, Du, Chua: Adversarial Personalized Ranking for Recommendation, SIGIR 2018,
        https://arxiv.org/abs/1808.03908, equations 5 and 8. Miyato, Dai, Goodfellow: Adversarial Training Methods for
        Semi-Supervised Text Classification, ICLR 2017, https://arxiv.org/abs/1605.07725, equation 5.
    """

    def __init__(
        self, tables: Sequence[nn.Parameter], again: Callable[[], Tensor], *, size: float, weight: float = 1.0
    ) -> None:
        self.tables, self.again, self.size, self.weight = list(tables), again, size, weight

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Let tables that are not trained have gradients inside."""
        fixed = [table for table in self.tables if not table.requires_grad]
        for table in fixed:
            table.requires_grad_(True)
        try:
            yield
        finally:
            for table in fixed:
                table.requires_grad_(False)
                table.grad = None

    @contextlib.contextmanager
    def moved(self) -> Iterator[None]:
        """Move the tables by their gradients inside, and put them back exactly."""
        kept = [table.detach().clone() for table in self.tables]
        self._move()
        try:
            yield
        finally:
            with torch.no_grad():
                for table, value in zip(self.tables, kept, strict=True):
                    table.copy_(value)

    @torch.no_grad()
    def _move(self) -> None:
        for table in self.tables:
            if table.grad is not None:
                gradient_RD = table.grad.float().nan_to_num(0.0, 0.0, 0.0)  # a scaler skips steps that have such
                length_R1 = gradient_RD.norm(dim=1, keepdim=True)
                direction_RD = torch.where(length_R1 > 0, gradient_RD / length_R1, gradient_RD)
                table.add_(direction_RD.to(table.dtype), alpha=self.size)
