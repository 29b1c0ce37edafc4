"""SimGCL: users and items recognised through noise on the vectors. V vertices, D embedding."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from reccli.api import Context, Encoder, Range, TrainingData
from reccli.nn.graph_contrast import ContrastSettings, GraphContrast, layers_of
from reccli.nn.graph_views import drift

__all__ = ["SimGCL"]


class SimGCL(GraphContrast):
    """Tell a batch's users apart, and its items, in two walks over the graph with different noise after each layer.

    ::

        l = mean over users of s(u) + mean over items of s(i)
        s(x) = -log( exp(cos(x', x'') / t) / sum over y of exp(cos(x', y'') / t) )
        noise = e sign(x) * r / |r|           r uniform in (0, 1), for each vertex, layer and walk

    with `x'` and `x''` a vertex at the end of two walks, and `y` the batch's distinct users (or items).

    Args:
        settings.temperature: `t`, 0.1 to 0.5.
        settings.noise: `e`, 0.02 to 0.3; propagated vectors of rare items are far shorter than 1.
        settings.nodes: Most users, and items, that are contrasted in a step.

    Shapes:
        walk of VD -> scalar.

    Raises:
        ConfigError: The encoder has no layers of propagation.

    Notes:
        Both walks share the encoder's own propagation: noise has no gradient and a layer is linear, so that a walk with
        noise is the walk without it plus what noise alone becomes. Vectors are the encoder's, with the table in the
        mean; the paper leaves the table out of it.

    Paper:
        Yu, Yin, Xia, Chen, Cui, Nguyen: Are Graph Augmentations Necessary? Simple Graph Contrastive Learning for
        Recommendation, SIGIR 2022, https://arxiv.org/abs/2112.08679, section 3 (equation 7: the noise).

    Pairs well with:
        `lightgcn`, any loss.

    Example:
        >>> SimGCL.Settings(noise=0.2).temperature
        0.2
    """

    class Settings(ContrastSettings):
        """Settings of `simgcl`."""

        noise: Annotated[float, Range(0.02, 0.5, log=True)] = Field(default=0.1, gt=0)
        """Length of the noise after each layer: 0.05 to 0.3."""

    def setup(self, data: TrainingData, encoder: Encoder, context: Context) -> None:
        """Make what draws vertices and noise."""
        super().setup(data, encoder, context)
        layers_of(encoder, "simgcl", 1)
        self.draws = context.generator("simgcl noise")

    def pair(self, encoder: Encoder) -> tuple[Tensor, Tensor]:
        """Return the ends of two walks with noise."""
        walk = encoder.walk()
        first_VD, second_VD = (walk.mean_VD + drift(walk, self.settings.noise, self.draws) for _ in range(2))
        return first_VD, second_VD
