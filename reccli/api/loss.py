"""Losses: embeddings in, one value per row out. A loss never calls the model.

B batch rows, N negatives, D embedding, I items.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from reccli.api.batch import LossInputs, LossOutput
from reccli.api.component import Component, ComponentSettings
from reccli.errors import PluginError

__all__ = ["Loss"]


class Loss(Component, nn.Module):
    """A training criterion over a batch of scores.

    `needs` may hold `negatives` (a sampler must draw some), `table` (the whole catalogue's embeddings), `ratings` and
    `labels` (values to compare with). Calling the loss calls `compute` and checks the result. Learned parameters of a
    loss (a temperature) are trained with the encoder's.
    """

    masks_table: bool = False
    """Whether a loss with `table` in `needs` wants `known_BI`; where a setting decides, the instance overrides it."""
    uses_groups: ClassVar[bool] = False
    """Whether it looks at `LossInputs.groups` (with shared negatives or a table), and computes shared scores once."""
    counts_negatives: ClassVar[bool] = False
    """Whether it weighs shared negatives by `LossInputs.count_N`, so that repeated draws need be scored but once."""
    in_batch: ClassVar[bool] = True
    """Whether negatives shared by the batch (in-batch ones too) make sense for it."""
    preferred_sampler: ClassVar[dict[str, Any]] = {}
    """What it learns better from than from the batch's own items, as `{"sampler": "uniform", "sampler.own": 4}`: taken
    where nobody names a sampler and the encoder would take `in-batch`. Without it that is what is taken."""
    only_in_batch: ClassVar[bool] = False
    """Whether it needs the batch's own positives as (the first) shared negatives, and no sampler that draws others."""

    def __init__(self, settings: ComponentSettings | None = None) -> None:
        nn.Module.__init__(self)
        Component.__init__(self, settings)

    @classmethod
    def needs_for(cls, task: str) -> frozenset[str]:
        """Return the needs for a task (`ranking`, `rating`, `ctr`): `needs` unless a subclass says otherwise."""
        return cls.needs

    @abstractmethod
    def compute(self, inputs: LossInputs) -> LossOutput:
        """Return one value per row, and scalar terms by name where the definition has them."""

    def forward(self, inputs: LossInputs) -> LossOutput:
        """Compute in float32 or better, outside autocast, and check what came out.

        Raises:
            PluginError: The output does not have one value per row.
        """
        rows = inputs.user_BD.shape[0]
        with torch.autocast(inputs.user_BD.device.type, enabled=False):
            output = self.compute(inputs.in_full_precision())
        name = type(self).__name__
        if not isinstance(output, LossOutput) or output.value_B.shape != (rows,):
            shape = tuple(output.value_B.shape) if isinstance(output, LossOutput) else type(output).__name__
            raise PluginError(f"loss {name} returned {shape}, expected one value for each of {rows} rows")
        return output

    @staticmethod
    def masked(score_BN: Tensor, known_BN: Tensor | None) -> Tensor:
        """Set scores of known positives to minus infinity, so that a softmax leaves them out."""
        return score_BN if known_BN is None else score_BN.masked_fill(known_BN, -torch.inf)

    @staticmethod
    def mean_over_negatives(each_BN: Tensor, known_BN: Tensor | None) -> Tensor:
        """Mean of each row over the negatives that are not known: BN -> B; 0 with zero gradients where none is left."""
        if known_BN is None:
            return each_BN.sum(1) / max(each_BN.shape[1], 1)
        count_B = (~known_BN).sum(1).clamp_min(1)
        return each_BN.masked_fill(known_BN, 0.0).sum(1) / count_B
