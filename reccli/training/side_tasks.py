"""A second loss over the same vectors. B batch rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from reccli import registry
from reccli.api.batch import Batch, LossInputs
from reccli.api.data import TrainingData
from reccli.api.loss import Loss
from reccli.api.similarity import Similarity
from reccli.training.tasks import Side
from reccli.training.values import Values

__all__ = ["SideTask", "narrowed", "side_tasks"]


class SideTask(nn.Module):
    """One further task: its loss, and for ratings biases of its own.

    ::

        total = loss of the first task + weight * loss of this one

    Ranking learns from all rows, of click logs from the clicks alone. What is learned here apart from the vectors (the
    biases) steers training and is not stored: stored vectors serve the first task.

    Args:
        task: `ranking` or `rating`.
        loss: The criterion.
        weight: What it is multiplied by.
        data: Training data, as the first task has it.
        folding: Whether users come from histories.
        similarity: How users and items are compared.

    Paper:
        Caruana: Multitask Learning, Machine Learning 28, 1997, https://doi.org/10.1023/A:1007379606734.
    """

    def __init__(
        self, task: str, loss: Loss, weight: float, data: TrainingData, *, folding: bool, similarity: Similarity
    ) -> None:
        super().__init__()
        self.task, self.loss, self.weight, self.similarity = task, loss, weight, similarity
        self.needs: frozenset[str] = type(loss).needs_for(task)
        self.clicks_alone = task == "ranking" and data.task == "ctr"
        self.values: Values | None = None
        if task != "ranking":
            self.values = Values(replace(data, task=task), folding=folding, scaled=similarity.name != "dot")

    def forward(self, inputs: LossInputs, batch: Batch) -> Tensor:
        """Return the weighted loss of a batch, a scalar."""
        weight_B = batch.weight_B
        if self.clicks_alone:
            weight_B = weight_B * (batch.value_B > 0)
        prediction_B = None
        if self.values is not None:
            similarity_B = self.similarity.pairs(inputs.user_BD.float(), inputs.positive_BD.float())
            prediction_B = self.values.prediction_B(similarity_B, batch)
        inputs = replace(narrowed(inputs, self.needs), weight_B=weight_B, prediction_B=prediction_B)
        value = self.loss(inputs).total(weight_B)
        return torch.as_tensor(self.weight * value)


def narrowed(inputs: LossInputs, needs: frozenset[str]) -> LossInputs:
    """Return what one loss of several may look at: no negatives where another one alone needs them."""
    if "negatives" in needs:
        return inputs
    groups = inputs.groups
    if groups is not None and groups.known_GI is not None:
        groups = replace(groups, known_GN=groups.known_GI, known_GI=None)
    inputs = replace(inputs, negative_ND=None, negative_BND=None, known_BN=None, log_q_N=None, count_N=None)
    return replace(inputs, groups=groups)


def side_tasks(
    sides: Sequence[Side], data: TrainingData, *, folding: bool, similarity: Similarity
) -> tuple[SideTask, ...]:
    """Build the further tasks of a recipe."""
    return tuple(
        SideTask(
            side.task,
            registry.create("loss", side.loss, dict(side.settings)),
            side.weight,
            data,
            folding=folding,
            similarity=similarity,
        )
        for side in sides
    )
