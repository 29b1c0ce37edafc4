"""Auxiliary tasks: contrast of views that an encoder offers, beside the loss of fine-tuning. B rows of a batch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn

from reccli.api.batch import Batch
from reccli.api.component import Component, ComponentSettings, Context
from reccli.api.data import TrainingData
from reccli.api.encoder import Encoder
from reccli.errors import PluginError

__all__ = ["Auxiliary"]


class Auxiliary(Component, nn.Module):
    """A self-supervised task over views of the same users, items or histories.

    ::

        total = loss + sum over tasks m of  weight_m * task_m

    It works with every encoder that offers the `views` it asks for, and is given the encoder anew in each call: it
    keeps none. What it learns or fits (prototypes) is in parameters and buffers, so that a checkpoint holds it, and
    random numbers come from generators that it keeps as attributes, which a checkpoint holds too. Nothing of it is
    stored with a finished run.
    """

    views: ClassVar[str] = "graph"
    """What the encoder must offer (`Encoder.views`): `graph` or `history`."""
    default_weight: ClassVar[float] = 0.02
    """Weight beside the loss where none is given."""

    def __init__(self, settings: ComponentSettings | None = None) -> None:
        nn.Module.__init__(self)
        Component.__init__(self, settings)

    @abstractmethod
    def setup(self, data: TrainingData, encoder: Encoder, context: Context) -> None:
        """Build what it needs for this data and encoder, which is set up already.

        Raises:
            ConfigError: The encoder as it is set does not go with these settings.
        """

    def begin_epoch(self, epoch: int, encoder: Encoder) -> None:
        """Do once per epoch what need not be done per step, after the encoder's own `begin_epoch`.

        It is called again when a run is taken up in the middle of an epoch: what it makes must follow from the epoch
        alone, or be a buffer.
        """

    def disturbance(self) -> Callable[[Tensor], Tensor] | None:
        """Return what is to change vectors after each layer of a training step's own walk, VD to VD, or None.

        The loss then sees the disturbed vectors too. One task of a run at most may ask for it.
        """
        return None

    @abstractmethod
    def compute(self, encoder: Encoder, batch: Batch) -> Tensor:
        """Return the mean over what is contrasted, a scalar with gradients; `encoder.begin_step` is done."""

    def forward(self, encoder: Encoder, batch: Batch) -> Tensor:
        """Compute, and check what came out.

        Raises:
            PluginError: It is no scalar.
        """
        value = self.compute(encoder, batch)
        if not isinstance(value, Tensor) or value.ndim:
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise PluginError(f"auxiliary task {type(self).__name__} returned {shape}, expected a scalar")
        return value
