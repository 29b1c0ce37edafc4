"""Contrast of the users, and of the items, of a batch in two views of the graph.

V vertices, B rows of a batch, G distinct vertices of one kind in it, D embedding.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from reccli.api.auxiliary import Auxiliary
from reccli.api.batch import Batch
from reccli.api.component import ComponentSettings, Context
from reccli.api.data import TrainingData
from reccli.api.encoder import Encoder
from reccli.api.search import Range
from reccli.api.walk import Walk
from reccli.errors import ConfigError
from reccli.nn.view_losses import view_loss

__all__ = ["ContrastSettings", "GraphContrast", "layers_of"]


class ContrastSettings(ComponentSettings):
    """Settings of every contrast of vertices."""

    temperature: Annotated[float, Range(0.05, 1.0, log=True)] = Field(default=0.2, gt=0)
    """What cosines are divided by: 0.1 to 0.5."""
    nodes: int = Field(default=2048, ge=2)
    """Users, and items, of a batch that are contrasted in a step; drawn at random where there are more."""


class GraphContrast(Auxiliary):
    """The sum over users and items of what telling each apart from the others of its kind costs, in two views.

    A subclass says what the two views are (`pair`).
    """

    Settings: ClassVar[type[ComponentSettings]] = ContrastSettings
    views: ClassVar[str] = "graph"

    def setup(self, data: TrainingData, encoder: Encoder, context: Context) -> None:
        """Make what draws the vertices."""
        self.drawn = context.generator(f"{type(self).__name__} vertices")

    def pair(self, encoder: Encoder) -> tuple[Tensor, Tensor]:
        """Return two views of all vertices, VD each."""
        raise NotImplementedError(f"{type(self).__name__}.pair")

    def compute(self, encoder: Encoder, batch: Batch) -> Tensor:
        """Return the mean over the batch's users plus the mean over its items."""
        first_VD, second_VD = self.pair(encoder)
        means = [
            view_loss(first_VD[code_G], second_VD[code_G], self.settings.temperature).mean()
            for code_G in self.vertices(encoder.walk(), batch)
        ]
        return torch.stack(means).sum()

    def vertices(self, walk: Walk, batch: Batch) -> list[Tensor]:
        """Return the vertices to contrast, those of each kind by themselves: G each, in any order."""
        return [self._some(code_G) for code_G in walk.vertices(batch)]

    def _some(self, code_G: Tensor) -> Tensor:
        most = self.settings.nodes
        if len(code_G) <= most:
            return code_G
        return code_G[torch.randperm(len(code_G), generator=self.drawn)[:most].to(code_G.device)]


def layers_of(encoder: Encoder, name: str, least: int) -> int:
    """Return how many layers an encoder's walks have.

    Raises:
        ConfigError: They are fewer than a task needs.
    """
    with torch.no_grad():
        layers = len(encoder.walk().layers) - 1
    if layers < least:
        raise ConfigError(
            f"aux '{name}' needs {least} layer{'s' * (least > 1)} of propagation, and the encoder has {layers}",
            hint=f"--set encoder.layers={least}",
        )
    return layers
