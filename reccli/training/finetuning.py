"""Fine-tuning as a task for the loop. B batch rows, E training rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from reccli.api.batch import Batch, Negatives
from reccli.api.component import Context
from reccli.api.data import TrainingData
from reccli.api.sampler import Sampler
from reccli.training.batching import grouped_batches, row_batches
from reccli.training.model import ScoringModel
from reccli.training.validation import Validator

__all__ = ["TRAIN", "FinetuneTask", "measured"]

TRAIN = "train."


class FinetuneTask:
    """Rows of interactions, negatives, a loss, and a validation metric.

    Args:
        model: On its device already.
        sampler: Set up already, or None where the loss needs no negatives.
        data: Training data.
        validator: Computes the metric that chooses the epoch, or None.
        context: Seeds.
        batch_size: Rows of a step.
        fitted: Computes the same metric on train rows, logged as `train.` and its name, or None.
        l1: Weight of the L1 penalty.
        l2: Weight of the L2 penalty.
        label: What the progress display says.
    """

    def __init__(
        self,
        model: ScoringModel,
        sampler: Sampler | None,
        data: TrainingData,
        validator: Validator | None,
        context: Context,
        *,
        batch_size: int,
        fitted: Validator | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        label: str = "finetune",
    ) -> None:
        self.module, self.label = model, label
        self.sampler, self.validator, self.fitted, self.context = sampler, validator, fitted, context
        self.batch_size, self.l1, self.l2 = batch_size, l1, l2
        self._batch: Batch | None = None
        self.generators = {"sampler": context.generator("sampler")}
        self.metric = validator.name if validator is not None else ""
        self.higher_is_better = validator.higher_is_better if validator is not None else True
        train, device = data.train, torch.device(context.device)
        encoder = model.encoder
        self.grouped, self.most = type(encoder).grouped, encoder.targets_per_user
        self.offset_U1 = torch.from_numpy(train.offset_U1)
        lengths = self.offset_U1.diff()
        self.n_rows = int((lengths.clamp_max(self.most) if self.grouped and self.most else lengths).sum())
        self._begin_U1 = self.offset_U1.to(device)
        self.item_E = torch.from_numpy(train.item_E).to(device)
        self.value_E = torch.from_numpy(train.value_E).to(device)
        self.weight_E = torch.from_numpy(train.weight_E).to(device)

    def parameter_groups(self) -> Iterable[Mapping[str, Any]]:
        """Return the model's optimiser groups."""
        return self.module.parameter_groups()

    def begin_epoch(self, epoch: int) -> None:
        """Let the encoder, and then auxiliary tasks, do what they do once per epoch."""
        self.module.encoder.begin_epoch(epoch)
        if self.module.auxiliaries is not None:
            self.module.auxiliaries.begin_epoch(epoch, self.module.encoder)

    def batches(self, epoch: int) -> Sequence[Tensor]:
        """Return the epoch's batches: of rows, or of users side by side where the encoder is grouped."""
        generator = self.context.generator(f"order of epoch {epoch}")
        chosen_E = self.module.encoder.rows_of_epoch()
        row_E = None if chosen_E is None else chosen_E.cpu().nonzero().squeeze(1)
        if not self.grouped:
            return row_batches(torch.arange(len(self.item_E)) if row_E is None else row_E, self.batch_size, generator)
        if row_E is None:
            return grouped_batches(self.offset_U1, self.batch_size, generator, most=self.most)
        offset_U1 = torch.searchsorted(row_E, self.offset_U1)
        return [row_E[part] for part in grouped_batches(offset_U1, self.batch_size, generator, most=self.most)]

    def users(self, row_B: Tensor) -> Tensor:
        """Return the users of rows, B; a column of them would be one more of the data's size."""
        return torch.searchsorted(self._begin_U1, row_B, right=True) - 1

    def loss(self, row_B: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Draw negatives, and return the batch's loss."""
        row_B = row_B.to(self.item_E.device)
        user_B, item_B = self.users(row_B), self.item_E[row_B]
        negatives = Negatives()
        if self.sampler is not None:
            negatives = self.sampler.sample(user_B, item_B, self.generators["sampler"])
        self._batch = Batch(row_B, user_B, item_B, self.value_E[row_B], self.weight_E[row_B], negatives)
        return self.module.batch_loss(self._batch, l1=self.l1, l2=self.l2)

    def again(self) -> Tensor:
        """Return the loss of the last batch once more: the same negatives, no penalties, nothing remembered."""
        if self._batch is None:
            raise RuntimeError("no batch to take again")
        return self.module.batch_loss(self._batch, remember=False)[0]

    def validate(self) -> Mapping[str, float]:
        """Return the validation metric, and that of train rows where it is asked for."""
        return measured(self.module, self.validator, self.fitted)


def measured(model: ScoringModel, validator: Validator | None, fitted: Validator | None) -> dict[str, float]:
    """Return the validation metric, and under `train.` and its name that of train rows; empty without validators."""
    metrics = {} if validator is None else validator(model)
    trained = {} if fitted is None else fitted(model)
    return {**metrics, **{TRAIN + name: value for name, value in trained.items()}}
