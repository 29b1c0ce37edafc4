"""A pre-training objective as a task for the loop. B rows of a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from reccli.api.component import Context
from reccli.api.objective import Objective
from reccli.training.batching import row_batches

__all__ = ["PretrainTask"]


class PretrainTask:
    """Rows of an objective, its own loss, and what it measures on rows kept out.

    Args:
        objective: Set up, and on its device already.
        context: Seeds.
        batch_size: Rows of a step.
        label: What the progress display says.
    """

    def __init__(self, objective: Objective, context: Context, *, batch_size: int, label: str = "pretrain") -> None:
        self.module: nn.Module = objective
        self.objective, self.label, self.context, self.batch_size = objective, label, context, batch_size
        self.generators: Mapping[str, torch.Generator] = {}
        self.n_rows = objective.n_rows
        first = next(iter(objective.held_out()), "")
        self.metric = first
        self.higher_is_better = not first.endswith("loss")

    def parameter_groups(self) -> Iterable[Mapping[str, Any]]:
        """Return the objective's groups."""
        return self.objective.parameter_groups()

    def begin_epoch(self, epoch: int) -> None:
        """Let the objective begin."""
        self.objective.begin_epoch(epoch)

    def batches(self, epoch: int) -> Sequence[Tensor]:
        """Return the epoch's batches; a last one of a single row has nothing to be told apart from, and is left out."""
        generator = self.context.generator(f"order of epoch {epoch}")
        batches = row_batches(torch.arange(self.n_rows), self.batch_size, generator)
        return [row_B for row_B in batches if len(row_B) > 1 or len(batches) == 1]

    def loss(self, row_B: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the mean of the batch's losses."""
        output = self.objective.loss(row_B)
        return output.total(torch.ones_like(output.value_B)), output.terms

    def validate(self) -> Mapping[str, float]:
        """Return what the objective measures on rows kept out."""
        return self.objective.held_out()
