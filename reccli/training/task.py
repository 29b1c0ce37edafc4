"""What the loop drives, how, and what comes out. B batch rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from reccli.training.collapse import Limits

__all__ = ["Monitor", "Outcome", "Plan", "TrainingTask"]


class TrainingTask(Protocol):
    """Something to train: fine-tuning or a pre-training objective.

    Attributes:
        label: What the progress display says.
        module: Everything that is trained and that a checkpoint holds. Random generators that its modules keep as
            attributes are found and saved too.
        generators: Further generators to save, by name.
        n_rows: Rows of an epoch, about.
        metric: Name of the value in `validate()` that chooses the epoch.
        higher_is_better: Which way.
    """

    label: str
    n_rows: int
    metric: str
    higher_is_better: bool

    @property
    def module(self) -> nn.Module:
        """What is trained."""

    @property
    def generators(self) -> Mapping[str, torch.Generator]:
        """Further generators to save."""

    def parameter_groups(self) -> Iterable[Mapping[str, Any]]:
        """Return optimiser groups: `params`, `lr_scale`, `weight_decay`, `warmup`."""

    def begin_epoch(self, epoch: int) -> None:
        """Do once per epoch what need not be done per step."""

    def batches(self, epoch: int) -> Sequence[Tensor]:
        """Return the epoch's batches of row numbers, by seed and epoch alone, so that a resumed run agrees."""

    def loss(self, row_B: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return a batch's loss, a scalar, and further scalars to report."""

    def validate(self) -> Mapping[str, float]:
        """Return validation metrics by name; empty where there is nothing to validate on."""


@dataclass(frozen=True)
class Plan:
    """How to train.

    Args:
        epochs: Most passes.
        batch_size: Rows of a step, for the length of the schedule and for advice.
        learning_rate: Peak rate.
        optimizer: Name, see `build_optimizer`.
        schedule: Name, see `factor`.
        warmup: Share of steps.
        weight_decay: Decay where a group does not say its own.
        clip: Largest gradient norm; 0 for none.
        patience: Validations without a better value before stopping; 0 never stops.
        validate_every: Epochs between validations.
        checkpoint_every: Epochs between checkpoints.
        max_time: Seconds, or None.
        precision: `auto`, `fp32`, `bf16`, `fp16`.
        device: Where.
        seed: Seeds torch's own generators (dropout).
        average: Decay of the moving average of weights that is validated and kept; 0 for none.
        swa: Epoch from whose end on the plain mean of the weights at the ends of epochs takes the place of `average`; 0
            for none.
        schedule_epochs: Passes that the schedule is laid out for, where they differ from `epochs`.
        limits: When vectors count as collapsed, which ends training.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: str = "adamw"
    schedule: str = "constant"
    warmup: float = 0.0
    weight_decay: float = 0.0
    clip: float = 0.0
    patience: int = 0
    validate_every: int = 1
    checkpoint_every: int = 1
    max_time: float | None = None
    precision: str = "auto"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seed: int = 42
    schedule_epochs: int | None = None
    average: float = 0.0
    swa: int = 0
    limits: Limits = field(default_factory=Limits)


class Monitor(Protocol):
    """What the loop asks of the one who runs it (`reccli.stages.common.Control` fits)."""

    @property
    def say(self) -> Callable[[str], None]:
        """Takes a line for people."""

    @property
    def log(self) -> Callable[[str, Mapping[str, Any]], None]:
        """Takes a record for machines."""

    @property
    def validated(self) -> Callable[[int, Mapping[str, float]], None]:
        """Takes an epoch (0 is the start) and its validation metrics by name; what it raises ends the training."""

    @property
    def task(self) -> Callable[[str, float, str], Any]:
        """Opens a progress display."""

    @property
    def stop(self) -> Callable[[], int | None]:
        """Gives the signal number once a signal asked to stop."""


@dataclass(frozen=True)
class Outcome:
    """How training ended; the module holds the best epoch's weights.

    Args:
        epochs: Passes made.
        steps: Steps made.
        best_epoch: Epoch whose weights are kept (0 is the start); the last one where nothing was validated.
        best_value: Its metric, or None.
        first_value: The metric before training, or None.
        stopped: `epochs`, `patience`, `time` or `collapse`.
        rows: Log: (epoch, name, value).
        seconds: Time of this process's part.
    """

    epochs: int
    steps: int
    best_epoch: int
    best_value: float | None
    first_value: float | None
    stopped: str
    rows: list[tuple[int, str, float]]
    seconds: float
