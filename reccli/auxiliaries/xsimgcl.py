"""XSimGCL: the end of one noisy walk recognised by its middle. V vertices, D embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field
from torch import Tensor

from reccli.api import Context, Encoder, Range, TrainingData
from reccli.nn.graph_contrast import ContrastSettings, GraphContrast, layers_of
from reccli.nn.graph_views import noisy

__all__ = ["XSimGCL"]


class XSimGCL(GraphContrast):
    """Tell a batch's users apart, and its items, by what one layer of the encoder's own noisy walk has of them.

    ::

        l = mean over users of s(u) + mean over items of s(i)
        s(x) = -log( exp(cos(x, x^l) / t) / sum over y of exp(cos(x, y^l) / t) )
        noise after each layer = e sign(x) * r / |r|           r uniform in (0, 1)

    with `x` a vertex at the end of the walk, `x^l` the same after layer `l`, and `y` the batch's distinct users (or
    items). The loss of the run sees the same noisy vectors, so that a step walks over the graph once.

    Args:
        settings.temperature: `t`, 0.1 to 0.5.
        settings.noise: `e`, 0.01 to 0.2; the loss sees it too, and propagated vectors of rare items are far below 1.
        settings.layer: `l`, 1 to the encoder's layers.
        settings.nodes: Most users, and items, that are contrasted in a step.

    Shapes:
        walk of VD -> scalar.

    Raises:
        ConfigError: The encoder has fewer layers than `layer`.

    Notes:
        Vectors are the encoder's, with the table in the mean; the paper leaves the table out of it. Noise is in the
        walks of training alone, never in those that are measured or stored.

    Paper:
        Yu, Xia, Chen, Cui, Hung, Yin: XSimGCL, Towards Extremely Simple Graph Contrastive Learning for Recommendation,
        TKDE 2023, https://arxiv.org/abs/2209.02544, section 3.

    Pairs well with:
        `lightgcn`, any loss.

    Example:
        >>> XSimGCL.Settings(layer=2).layer
        2
    """

    class Settings(ContrastSettings):
        """Settings of `xsimgcl`."""

        noise: Annotated[float, Range(0.005, 0.5, log=True)] = Field(default=0.02, gt=0)
        """Length of the noise after each layer: 0.01 to 0.2; propagated vectors of rare items are far below 1."""
        layer: int = Field(default=1, ge=1)
        """Layer that the end of the walk is contrasted with."""

    def setup(self, data: TrainingData, encoder: Encoder, context: Context) -> None:
        """Make what draws vertices and noise."""
        super().setup(data, encoder, context)
        layers_of(encoder, "xsimgcl", self.settings.layer)
        self.draws = context.generator("xsimgcl noise")

    def disturbance(self) -> Callable[[Tensor], Tensor]:
        """Return what adds noise after each layer."""
        return lambda vector_VD: noisy(vector_VD, self.settings.noise, self.draws)

    def pair(self, encoder: Encoder) -> tuple[Tensor, Tensor]:
        """Return the end of the step's own walk, and one of its layers."""
        walk = encoder.walk()
        return walk.mean_VD, walk.layers[self.settings.layer]
