"""SGL: users and items recognised in graphs that lack edges. V vertices, D embedding."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from reccli.api import Context, Encoder, Range, TrainingData
from reccli.nn.graph_contrast import ContrastSettings, GraphContrast, layers_of
from reccli.nn.graph_views import thinned
from reccli.nn.propagation import Propagation

__all__ = ["SGL"]


class SGL(GraphContrast):
    """Tell a batch's users apart, and its items, in walks over two graphs that lack a random share of the edges.

    ::

        l = mean over users of s(u) + mean over items of s(i)
        s(x) = -log( exp(cos(x', x'') / t) / sum over y of exp(cos(x', y'') / t) )

    with `x'` and `x''` a vertex at the end of a walk over the one and the other graph, and `y` the batch's distinct
    users (or items). The graphs are drawn anew in each epoch.

    Args:
        settings.temperature: `t`, 0.1 to 0.5.
        settings.drop: Share of the edges that a graph lacks, 0.05 to 0.5.
        settings.nodes: Most users, and items, that are contrasted in a step.

    Shapes:
        walks of VD -> scalar.

    Raises:
        ConfigError: The encoder has no layers of propagation.

    Notes:
        Edge dropout of the paper's three ways of drawing (`SGL-ED`, its best). A step walks three times instead of
        once, over graphs that share nothing.

    Paper:
        Wu, Wang, Feng, He, Chen, Lian, Xie: Self-supervised Graph Learning for Recommendation, SIGIR 2021,
        https://arxiv.org/abs/2010.10783, equations 10 and 11.

    Pairs well with:
        `lightgcn`, any loss.

    Example:
        >>> SGL.Settings(drop=0.3).temperature
        0.2
    """

    class Settings(ContrastSettings):
        """Settings of `sgl`."""

        drop: Annotated[float, Range(0.05, 0.5)] = Field(default=0.1, gt=0, lt=1)
        """Share of edges that a view lacks: 0.05 to 0.5."""

    def setup(self, data: TrainingData, encoder: Encoder, context: Context) -> None:
        """Keep the edges at hand, and draw the first graphs."""
        super().setup(data, encoder, context)
        layers_of(encoder, "sgl", 1)
        self.edges, self.context = data.train, context
        self.begin_epoch(0, encoder)

    def begin_epoch(self, epoch: int, encoder: Encoder) -> None:
        """Draw the two thinned graphs: a function of seed and epoch alone."""
        generator = self.context.numpy_generator(f"sgl edges of epoch {epoch}")
        graphs = [thinned(self.edges, self.settings.drop, generator) for _ in range(2)]
        self.steps = [Propagation(graph, 1).step for graph in graphs]

    def pair(self, encoder: Encoder) -> tuple[Tensor, Tensor]:
        """Return the ends of walks over the two graphs."""
        first_VD, second_VD = (encoder.walk(step).mean_VD for step in self.steps)
        return first_VD, second_VD
