"""NCL: users and items recognised by their like on the graph, and by their prototypes.

V vertices, U users, I items, B rows of a batch, G distinct vertices of one kind in it, C clusters, D embedding.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from reccli.api import Batch, Context, Encoder, Range, TrainingData, Walk
from reccli.nn.graph_contrast import ContrastSettings, GraphContrast, layers_of
from reccli.nn.prototypes import fit_prototypes, prototype_loss, usable_granularities
from reccli.nn.view_losses import view_loss

__all__ = ["NCL"]


class NCL(GraphContrast):
    """Tell a batch's users apart, and its items, by their neighbours of their own kind, and by their clusters.

    ::

        l = sum over kinds of  a mean s(x) + b mean p(x)
        s(x) = -log( exp(cos(x^(2h), x^(0)) / t) / sum over y of exp(cos(x^(2h), y^(0)) / t) )
        p(x) = -log( exp(cos(x^(0), c_x) / t) / sum over clusters c of exp(cos(x^(0), c) / t) )

    with `x^(0)` a vertex's row of the table, `x^(2h)` what the walk has there after an even number of layers, `y` the
    batch's distinct users (or items), and `c_x` the centre of x's cluster: k-means on the unit vectors of the table,
    for users and for items, anew at the beginning of every few epochs.

    Args:
        settings.temperature: `t`, 0.05 to 0.3.
        settings.hops: `h`, neighbours of neighbours 1 or 2 times over.
        settings.structure: `a`; 0 for none.
        settings.prototypes: `b`; 0 for none.
        settings.clusters: Clusters of users, and of items; at most half as many as there are.
        settings.refresh: Epochs from one clustering to the next, 1 to 10: it can cost more than the steps of an epoch.
        settings.nodes: Most users, and items, that are contrasted in a step.

    Shapes:
        walk of VD -> scalar.

    Raises:
        ConfigError: The encoder has fewer layers than `hops` ask for.

    Notes:
        The paper's sums over all users and items are over the batch's here, and its 20 epochs without prototypes are
        left out: tables that start from the spectrum have clusters from the first step on. It clusters in every epoch.

    Paper:
        Lin, Tian, Hou, Zhao: Improving Graph Collaborative Filtering with Neighborhood-enriched Contrastive Learning,
        WWW 2022, https://arxiv.org/abs/2202.06200, section 3.

    Pairs well with:
        `lightgcn`, any loss.

    Example:
        >>> NCL.Settings(clusters=200).hops
        1
    """

    class Settings(ContrastSettings):
        """Settings of `ncl`."""

        temperature: Annotated[float, Range(0.05, 1.0, log=True)] = Field(default=0.1, gt=0)
        """What cosines are divided by: 0.05 to 0.3."""
        hops: int = Field(default=1, ge=1)
        """Steps from like to like whose neighbours are contrasted: 1 is two layers of users and items."""
        structure: float = Field(default=1.0, ge=0)
        """Weight of the contrast with neighbours."""
        prototypes: float = Field(default=1.0, ge=0)
        """Weight of the contrast with clusters."""
        clusters: int = Field(default=64, ge=2)
        """Clusters of users, and of items: 16 to 1,000."""
        refresh: int = Field(default=5, ge=1)
        """Epochs from one clustering to the next: 1 to 10."""

    default_weight: ClassVar[float] = 0.01

    def setup(self, data: TrainingData, encoder: Encoder, context: Context) -> None:
        """Make room for the prototypes."""
        super().setup(data, encoder, context)
        with torch.no_grad():
            walk = encoder.walk()
        self.layer = self.settings.hops * walk.period
        layers_of(encoder, "ncl", self.layer)
        self.context = context
        vertices, size = walk.layers[0].shape
        users = [(0, walk.n_users)] if walk.n_users else []
        self.bounds = [*users, (walk.n_users, vertices)]
        for kind, (low, high) in enumerate(self.bounds):
            clusters = usable_granularities((self.settings.clusters,), high - low)[0]
            self.register_buffer(f"centre_{kind}", torch.zeros(clusters, size))
        self.register_buffer("cluster_V", torch.zeros(vertices, dtype=torch.int64))

    def begin_epoch(self, epoch: int, encoder: Encoder) -> None:
        """Fit the prototypes to the table as it is, where it is time."""
        if not self.settings.prototypes or (epoch - 1) % self.settings.refresh:
            return
        with torch.no_grad():
            encoder.begin_step()
            unit_VD = functional.normalize(encoder.walk().layers[0], dim=1).float()
        for kind, (low, high) in enumerate(self.bounds):
            found = fit_prototypes(
                unit_VD[low:high].cpu().numpy(),
                len(self.get_buffer(f"centre_{kind}")),
                seed=self.context.derived_seed(f"ncl prototypes {kind} of epoch {epoch}"),
                temperature=self.settings.temperature,
            )
            self.get_buffer(f"centre_{kind}").copy_(found.centre_CD)
            self.get_buffer("cluster_V")[low:high] = found.cluster_R.to(unit_VD.device)

    def compute(self, encoder: Encoder, batch: Batch) -> Tensor:
        """Return the sum over both kinds of both means."""
        walk = encoder.walk()
        means = [self._of_kind(kind, walk, code_G) for kind, code_G in enumerate(self.vertices(walk, batch))]
        return torch.stack(means).sum()

    def _of_kind(self, kind: int, walk: Walk, code_G: Tensor) -> Tensor:
        given, table_GD = self.settings, walk.layers[0][code_G]
        total = table_GD.new_zeros(())
        if given.structure:
            apart_G = view_loss(walk.layers[self.layer][code_G], table_GD, given.temperature)
            total = total + given.structure * apart_G.mean()
        if given.prototypes:
            centre_CD = self.get_buffer(f"centre_{kind}").to(table_GD)
            spread_C = torch.full_like(centre_CD[:, 0], given.temperature)
            cluster_G = self.get_buffer("cluster_V")[code_G]
            near_G = prototype_loss(functional.normalize(table_GD, dim=1), cluster_G, centre_CD, spread_C)
            total = total + given.prototypes * near_G.mean()
        return total
