"""Prototype-contrastive pre-training of the text model: clusters of items and of users, of several granularities.

B texts of a batch, T distinct texts, I items, U users, C clusters, G granularities, D embedding.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from reccli.api import Context, LossOutput, Pretrained, TrainingData
from reccli.errors import DataError
from reccli.nn.cluster_tables import ClusterTable, item_clusters, joined, user_clusters
from reccli.nn.co_occurrence import incidence
from reccli.nn.prototypes import Prototypes, fit_prototypes, prototype_loss, usable_granularities
from reccli.nn.text_objective import TextObjective
from reccli.nn.text_pooling import widened
from reccli.nn.text_trunk import TrunkSettings, most_texts

__all__ = ["Clusters"]

HELD_BATCH = 64
FEWEST = 4
Int64 = npt.NDArray[np.int64]


class Clusters(TextObjective):
    """Bring each text near the prototypes of its clusters, and of the clusters of those who like it.

    ::

        l_b = a InfoNCE(x_b, x'_b) + 1/G sum over g of P_g(x_b, c of b) + w 1/G sum over g of P_g(x_b, c of u)
        P(x, c) = -log( exp(x . m_c / s_c) / sum over the clusters d of exp(x . m_d / s_d) )

    with `x` and `x'` two views under dropout of a text's unit vector after the mean of all texts is taken off, `m` the
    centres of k-means on items (second term) and on users (third term; a user is the mean of the history, `u` one of
    the text's users, drawn anew each time), `s` how spread each cluster is, `a` and `w` weights, G granularities.

    Args:
        settings.granularity: Numbers of clusters; 3 numbers between 10 and a tenth of the items.
        settings.temperature: Mean spread; 0.1 to 0.3.
        settings.instance: Weight of the two views; 0 beside `simcse`, which has the same term.
        settings.users: Weight of the users' clusters; 0 to 1.

    Shapes:
        row numbers B -> value_B; item feature `text` ID; artifacts `clusters` and `cluster_members`.

    Raises:
        DataError: There are fewer than four distinct texts to train on.
        MissingExtraError, OfflineError, DamagedArtifactError: As for the encoder `bert`.

    Notes:
        Clusters are made anew once an epoch from the weights as they are then. The artifact has a row for each cluster
        with its size, the items nearest to its centre (of users: those met more often than elsewhere) and the words
        that mark it off. A twentieth of the texts takes no part in clusters and training; its loss against the clusters
        of the epoch chooses the epoch.

    Paper:
        Li, Zhou, Xiong, Hoi: Prototypical Contrastive Learning of Unsupervised Representations, ICLR 2021,
        https://arxiv.org/abs/2005.04966, equation 11. Clusters of users and items: Lin, Tian, Hou, Zhao: Improving
        Graph Collaborative Filtering with Neighborhood-enriched Contrastive Learning, WWW 2022,
        https://arxiv.org/abs/2202.06200, section 3.3.

    Pairs well with:
        The objectives `simcse` and `neighbours`; the encoder `bert`.

    Example:
        >>> Clusters.Settings(granularity=(8, 32)).temperature
        0.2
    """

    class Settings(TrunkSettings):
        """Settings of `clusters`."""

        granularity: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(16, 64, 256), min_length=1)
        """Numbers of clusters of items, and of users; none is more than half of the rows."""
        temperature: float = Field(default=0.2, gt=0)
        """Mean spread of the clusters: 0.1 to 0.3."""
        instance: float = Field(default=1.0, ge=0)
        """Weight of the two views of a text: 0 beside `simcse`."""
        users: float = Field(default=0.5, ge=0)
        """Weight of the clusters of users: 0 to 1."""
        view_temperature: float = Field(default=0.05, gt=0)
        """What cosines of the two views are divided by: 0.03 to 0.1."""

    needs: ClassVar[frozenset[str]] = frozenset({"graph"})
    defaults: ClassVar[dict[str, object]] = {"epochs": 2, "batch_size": 64, "learning_rate": 3e-5}
    mean_D: Tensor
    made_for: Tensor

    def setup(self, data: TrainingData, context: Context) -> None:
        """Open the model, and make the first clusters."""
        from scipy.sparse import diags_array

        self.open(data, context)
        trunk, choice = self.trunk, self.settings
        self.kept_T, self.held_T = trunk.kept_T(), trunk.held_T
        if len(self.kept_T) < FEWEST:
            raise DataError(f"clusters: there are fewer than {FEWEST} distinct texts to train on")
        self.row_T = trunk.kept_T(most_texts(choice, context))
        self.matrix_UT = incidence(data.train, trunk.text_I, len(trunk.texts))
        kept = np.isin(np.arange(len(trunk.texts)), self.kept_T).astype(np.float32)
        self.known_UT = self.matrix_UT @ diags_array(kept)
        self.user_V = np.flatnonzero(np.asarray(self.known_UT.sum(1)).ravel() > 0)
        self.audience = self.matrix_UT.T.tocsr()
        self.context, self.draws = context, context.numpy_generator("clusters users")
        self.register_buffer("mean_D", torch.zeros(trunk.size))
        self.register_buffer("made_for", torch.tensor(-1))
        for kind, rows, most in (
            ("item", len(trunk.texts), len(self.kept_T)),
            ("user", data.n_users, len(self.user_V)),
        ):
            for number, clusters in enumerate(self.granularities(kind)):
                self.register_buffer(f"{kind}_centre_{number}", torch.zeros(clusters, trunk.size))
                self.register_buffer(f"{kind}_spread_{number}", torch.ones(clusters))
                self.register_buffer(f"{kind}_cluster_{number}", torch.zeros(rows if most else 0, dtype=torch.int64))
        self._make(cached=True)
        context.say(
            f"clusters: {', '.join(map(str, self.granularities('item')))} of {len(self.kept_T):,} texts, "
            f"{', '.join(map(str, self.granularities('user'))) or 'none'} of {len(self.user_V):,} users"
        )

    def granularities(self, kind: str) -> tuple[int, ...]:
        """Return the numbers of clusters of items' texts (`item`) or users (`user`)."""
        rows = len(self.kept_T) if kind == "item" else len(self.user_V)
        return usable_granularities(self.settings.granularity, rows) if rows > 1 else ()

    @property
    def n_rows(self) -> int:
        """Distinct texts that are trained on."""
        return len(self.row_T)

    def begin_epoch(self, epoch: int) -> None:
        """Make the clusters anew, unless they are this epoch's already."""
        made = int(self.made_for)
        if made != epoch and not (made < 0 and epoch == 1):  # those of `setup` are of the same weights
            self._make()
        self.made_for.fill_(epoch)

    def _make(self, *, cached: bool = False) -> None:
        """Cluster texts and users by the weights as they are now."""
        trunk = self.trunk
        vector_TD = trunk.source.vectors(trunk.usage.items(trunk.texts), cached=cached)
        mean_D = vector_TD[self.kept_T].mean(0)
        self.mean_D.copy_(torch.from_numpy(mean_D))
        self.text_TD = _unit(vector_TD - mean_D)
        user_UD = _unit(np.asarray(self.known_UT @ self.text_TD, np.float32))
        for kind, vector_RD, row_N in (("item", self.text_TD, self.kept_T), ("user", user_UD, self.user_V)):
            for number, clusters in enumerate(self.granularities(kind)):
                seed = self.context.derived_seed(f"clusters {kind} {number}")
                found = fit_prototypes(vector_RD[row_N], clusters, seed=seed, temperature=self.settings.temperature)
                self._store(kind, number, found, torch.from_numpy(vector_RD))

    def _store(self, kind: str, number: int, found: Prototypes, vector_RD: Tensor) -> None:
        """Keep the clusters; every row goes to its nearest centre, rows that took no part too."""
        self.get_buffer(f"{kind}_centre_{number}").copy_(found.centre_CD)
        self.get_buffer(f"{kind}_spread_{number}").copy_(found.spread_C)
        self.get_buffer(f"{kind}_cluster_{number}").copy_((vector_RD @ found.centre_CD.T).argmax(1))

    def loss(self, row_B: Tensor) -> LossOutput:
        """Return each text's loss against the views of the batch and the prototypes."""
        return LossOutput(self._loss(self.row_T[row_B.cpu().numpy()], self.draws))

    def _loss(self, text_B: Int64, generator: np.random.Generator) -> Tensor:
        first_BD = self._views(text_B)
        number_B = torch.from_numpy(text_B).to(first_BD.device)
        value_B = self._against("item", first_BD, number_B)
        user_B = self._drawn_users(text_B, generator)
        if self.settings.users and len(self.granularities("user")):
            known_B = torch.from_numpy(user_B >= 0).to(first_BD.device)
            against_B = self._against("user", first_BD, torch.from_numpy(user_B.clip(0)).to(first_BD.device))
            value_B = value_B + self.settings.users * torch.where(known_B, against_B, torch.zeros_like(against_B))
        if self.settings.instance:
            logit_BB = first_BD @ self._views(text_B).T / self.settings.view_temperature
            value_B = value_B + self.settings.instance * (logit_BB.logsumexp(1) - logit_BB.diagonal())
        return value_B

    def _views(self, text_B: Int64) -> Tensor:
        return functional.normalize(widened(self.trunk(text_B)) - self.mean_D, dim=1)

    def _against(self, kind: str, vector_BD: Tensor, row_B: Tensor) -> Tensor:
        values = [
            prototype_loss(
                vector_BD,
                self.get_buffer(f"{kind}_cluster_{number}")[row_B],
                self.get_buffer(f"{kind}_centre_{number}"),
                self.get_buffer(f"{kind}_spread_{number}"),
            )
            for number in range(len(self.granularities(kind)))
        ]
        return torch.stack(values).mean(0)

    def _drawn_users(self, text_B: Int64, generator: np.random.Generator) -> Int64:
        """Return one user of each text, -1 where it has none."""
        begin_B = self.audience.indptr[text_B]
        count_B = self.audience.indptr[text_B + 1] - begin_B
        place_B = begin_B + (generator.random(len(text_B)) * count_B).astype(np.int64)
        drawn_B = self.audience.indices[np.minimum(place_B, max(len(self.audience.indices) - 1, 0))]
        return np.where(count_B > 0, drawn_B, -1).astype(np.int64)

    def held_out(self) -> dict[str, float]:
        """Return the loss of texts kept out, with the same views and users each time."""
        if len(self.held_T) < 2:
            return {}
        generator = self.context.numpy_generator("clusters held-out users")
        starts = range(0, len(self.held_T), HELD_BATCH)
        with self.trunk.measuring(dropout_seed=self.context.derived_seed("clusters held-out views")):
            values = [self._loss(self.held_T[start : start + HELD_BATCH], generator) for start in starts]
        return {"held_out_loss": float(torch.cat(values).mean())}

    def finish(self) -> Pretrained:
        """Return the items' vectors, and the clusters by the trained weights as tables."""
        self._make()
        tables = [
            self._table(kind, number) for kind in ("item", "user") for number in range(len(self.granularities(kind)))
        ]
        return Pretrained(item_features=super().finish().item_features, tables=joined(tables))

    def _table(self, kind: str, number: int) -> ClusterTable:
        """Return the clusters of one granularity for people."""
        clusters = self.granularities(kind)[number]
        cluster_R = self.get_buffer(f"{kind}_cluster_{number}").cpu().numpy()
        if kind == "user":
            code_N = self.user_V
            return user_clusters(clusters, cluster_R[code_N], code_N, self.matrix_UT[code_N], self.trunk.texts)
        text_I, code_N = self.trunk.text_I, np.flatnonzero(self.trunk.text_I >= 0)
        near_T = (self.text_TD * self.get_buffer(f"item_centre_{number}").cpu().numpy()[cluster_R]).sum(1)
        return item_clusters(clusters, cluster_R, code_N, text_I[code_N], near_T, self.trunk.texts)


def _unit(vector_RD: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(vector_RD / np.maximum(np.linalg.norm(vector_RD, axis=1, keepdims=True), 1e-12), np.float32)
