"""Objectives of pre-training: views of items, texts or users, paired by a loss, or a closed form.

B rows of a batch, I items, D embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from reccli.api.batch import LossOutput
from reccli.api.component import Component, ComponentSettings, Context
from reccli.api.data import TrainingData

__all__ = ["Objective", "Pretrained"]


@dataclass(frozen=True)
class Pretrained:
    """What an objective hands to fine-tuning.

    Args:
        item_features: Arrays of I rows by name, float32 (`spectral`: ID).
        user_features: Arrays of U rows by name, float32.
        weights: Tensors for `weights.safetensors`, by name.
        metrics: Scalars worth reporting, by name.
        tables: Artifacts for people, as columns by name (`clusters`, `cluster_members`; see `reccli.schemas`).
    """

    item_features: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    user_features: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict)


class Objective(Component, nn.Module):
    """A self-supervised task.

    A closed-form objective does everything in `setup` and `finish`. A trained one has `n_rows` training rows (texts,
    users, edges), computes the loss of a batch of row numbers, and is driven by the same loop as fine-tuning.
    `save_files` may write further files (a tokenizer, a model configuration) into the version's folder.
    """

    closed_form: ClassVar[bool] = False
    defaults: ClassVar[dict[str, object]] = {}
    """Values this objective prefers for the pretrain settings (`epochs`, `learning_rate`, `batch_size`)."""

    def __init__(self, settings: ComponentSettings | None = None) -> None:
        nn.Module.__init__(self)
        Component.__init__(self, settings)

    def setup(self, data: TrainingData, context: Context) -> None:
        """Build modules and training rows."""
        raise NotImplementedError(f"{type(self).__name__}.setup")

    @property
    def n_rows(self) -> int:
        """Training rows of one epoch (0 for a closed form)."""
        return 0

    def parameter_groups(self) -> Iterator[dict[str, Any]]:
        """Yield optimiser groups: `params`, `lr_scale` (times the learning rate), `weight_decay` where it differs."""
        yield {"params": [p for p in self.parameters() if p.requires_grad], "lr_scale": 1.0}

    def begin_epoch(self, epoch: int) -> None:
        """Do once per epoch what need not be done per step (draw positives, find prototypes anew).

        It is called again when a run is taken up in the middle of an epoch, so what it makes must follow from the epoch
        alone, or be a buffer that the second call leaves as it is.
        """

    def loss(self, row_B: Tensor) -> LossOutput:
        """Return the loss of a batch of rows. Dropout draws from torch's own generator, which the loop seeds."""
        raise NotImplementedError(f"{type(self).__name__}.loss")

    def held_out(self) -> dict[str, float]:
        """Return metrics on rows kept out of training, by name (one ending in `loss` is better when lower), or none."""
        return {}

    def finish(self) -> Pretrained:
        """Return features and weights after training."""
        raise NotImplementedError(f"{type(self).__name__}.finish")

    def save_files(self, folder: Path) -> None:
        """Write further files of the version (not Parquet, not weights)."""
