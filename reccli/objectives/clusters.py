"""Prototype-contrastive pre-training of the text model: clusters of items and of users, of several granularities.

B texts of a batch, T distinct texts, I items, U users, C clusters, G granularities, D embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from reccli.api import Context, LossOutput, Pretrained, TrainingData
from reccli.errors import ConfigError, DataError
from reccli.nn.cluster_tables import ClusterTable, item_clusters, joined, user_clusters
from reccli.nn.cluster_views import audience_vectors, centred, joint_vectors, unit
from reccli.nn.co_occurrence import incidence
from reccli.nn.prototypes import Prototypes, fit_prototypes, prototype_loss, usable_granularities
from reccli.nn.text_objective import TextObjective
from reccli.nn.text_parts import TextParts, parts_of
from reccli.nn.text_pooling import widened
from reccli.nn.text_trunk import TrunkSettings, most_texts

__all__ = ["Clusters"]

HELD_BATCH = 64
FEWEST = 4
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]


class Clusters(TextObjective):
    """Bring each text, and each of its parts, near the prototypes of what its views say together.

    ::

        l_b = 1/2 P(x_b, c of b) + 1/2 P(r_b, c of b) + w P(x_b, c of u) + a InfoNCE(x_b, x'_b)
        P(x, c) = -1/G sum over g of log( exp(x . m_gc / s_gc) / sum over the clusters d of g of exp(x . m_gd / s_gd) )
        y = unit(sum over the views v of unit(v - mean of v))

    with `x` a text's unit vector after the mean of all texts is taken off, `r` that of one part of the text (drawn anew
    each time: an attribute that texts name, or what is left of them), `m` the centres of k-means on the items' `y`
    (first two terms) and on users (third term; a user is the mean of the history, `u` one of the text's users), `s` how
    spread each cluster is, `x'` a second view under dropout, `a` and `w` weights, G granularities. The views of `y` are
    the parts; where texts are one part, the text and its audience (what its users have met otherwise), and there is no
    second term (the first one counts whole).

    Args:
        settings.granularity: Numbers of clusters; 3 numbers between 10 and a tenth of the items.
        settings.temperature: Mean spread; 0.1 to 0.3.
        settings.views: What is clustered.
        settings.instance: Weight of the two views under dropout, as in `simcse`; 0 to 1.
        settings.users: Weight of the users' clusters; 0 to 1.

    Shapes:
        row numbers B -> value_B; item feature `text` ID; artifacts `clusters` and `cluster_members`.

    Raises:
        ConfigError: `views` is `parts`, and the texts have none.
        DataError: There are fewer than four distinct texts to train on.
        MissingExtraError, OfflineError, DamagedArtifactError: As for the encoder `bert`.

    Notes:
        The vector of a text weighs its parts by their tokens, so clusters of whole texts are mostly those of titles,
        which few items share. A prototype is to be what views of an item agree on: every part weighs the same, and each
        part alone is to find the cluster that all of them decide (swapped prediction). Clusters are made anew once an
        epoch; the last ones are of the whole texts, which have learned to weigh their parts, so that a new text finds
        its cluster. The artifact has a row for each cluster with its size, the items nearest to its centre (of users:
        those met more often than elsewhere) and the words that mark it off. A twentieth of the texts takes no part in
        clusters and training; its loss against the clusters of the epoch chooses the epoch.

    Paper:
        Li, Zhou, Xiong, Hoi: Prototypical Contrastive Learning of Unsupervised Representations, ICLR 2021,
        https://arxiv.org/abs/2005.04966, equation 11. One view finds the prototype of the others: Caron et al.:
        Unsupervised Learning of Visual Features by Contrasting Cluster Assignments, NeurIPS 2020,
        https://arxiv.org/abs/2006.09882, equation 1. Clusters of users and items: Lin, Tian, Hou, Zhao: Improving Graph
        Collaborative Filtering with Neighborhood-enriched Contrastive Learning, WWW 2022,
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
        instance: float = Field(default=0.0, ge=0)
        """Weight of the two views of a text under dropout, which `simcse` has too: 0 to 1."""
        views: Literal["auto", "parts", "audience", "text"] = "auto"
        """What is clustered: a text's parts, the text and its audience, or the text; `auto` is parts, else audience."""
        users: float = Field(default=0.0, ge=0)
        """Weight of the clusters of users: 0 to 1."""
        view_temperature: float = Field(default=0.05, gt=0)
        """What cosines of the two views are divided by: 0.03 to 0.1."""

    needs: ClassVar[frozenset[str]] = frozenset({"graph"})
    defaults: ClassVar[dict[str, object]] = {"epochs": 2, "batch_size": 64, "learning_rate": 3e-5}
    mean_D: Tensor
    mean_PD: Tensor
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
        self.parts = self._parts(data)
        self.user_V = np.flatnonzero(np.asarray(self.known_UT.sum(1)).ravel() > 0)
        self.audience = self.matrix_UT.T.tocsr()
        self.context, self.draws = context, context.numpy_generator("clusters users")
        self.register_buffer("mean_D", torch.zeros(trunk.size))
        self.register_buffer("mean_PD", torch.zeros(len(self.parts.names) if self.parts else 0, trunk.size))
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
            f"clusters: {', '.join(map(str, self.granularities('item')))} of {len(self.kept_T):,} texts{self._by()}, "
            f"{', '.join(map(str, self.granularities('user'))) or 'none'} of {len(self.user_V):,} users"
        )

    def _parts(self, data: TrainingData) -> TextParts | None:
        """Return the parts of the texts, None where they are not asked for, or texts have one part alone."""
        wanted = self.settings.views
        found = parts_of(self.trunk, data.item_attributes) if wanted in ("auto", "parts") else None
        if found is None and wanted == "parts":
            raise ConfigError(
                "clusters: no attribute of the items stands in their texts, so texts have no parts",
                hint="--set objective.views=audience, or prepare with --item-text '{title} ({genres})'",
            )
        return found

    def _by(self) -> str:
        """Say what texts are clustered by, unless it is they alone."""
        if self.parts is not None:
            return f" by {' and '.join(self.parts.names)}"
        return "" if self.settings.views == "text" else " and their audience"

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

    def _make(self, last_TD: Float32 | None = None, *, cached: bool = False) -> None:
        """Cluster texts and users by the weights as they are now, or by the texts' vectors after the last epoch."""
        source, texts = self.trunk.source, self.trunk.usage.items(self.trunk.texts)
        vector_TD = source.vectors(texts, cached=cached) if last_TD is None else last_TD
        whole_TD = self._centred(self.mean_D, vector_TD, np.ones(len(vector_TD), np.bool_))
        self.text_TD = joint_vectors(self._clustered(whole_TD, cached=cached, last=last_TD is not None))
        user_UD = unit(np.asarray(self.known_UT @ self.text_TD, np.float32))
        for kind, vector_RD, row_N in (("item", self.text_TD, self.kept_T), ("user", user_UD, self.user_V)):
            for number, clusters in enumerate(self.granularities(kind)):
                seed = self.context.derived_seed(f"clusters {kind} {number}")
                found = fit_prototypes(vector_RD[row_N], clusters, seed=seed, temperature=self.settings.temperature)
                self._store(kind, number, found, torch.from_numpy(vector_RD))

    def _centred(self, mean_D: Tensor, vector_TD: Float32, has_T: npt.NDArray[np.bool_]) -> Float32:
        """Keep the mean of the texts that take part, and take it off."""
        part_T = self.kept_T[has_T[self.kept_T]]
        found_D = vector_TD[part_T].mean(0) if len(part_T) else np.zeros(vector_TD.shape[1], np.float32)
        mean_D.copy_(torch.from_numpy(found_D))
        return centred(vector_TD, has_T, found_D)

    def _clustered(self, whole_TD: Float32, *, cached: bool, last: bool) -> Iterator[Float32]:
        """Yield the views that texts are clustered by."""
        if self.parts is None or last:
            yield whole_TD
            if self.parts is None and self.settings.views != "text":
                yield audience_vectors(whole_TD, self.matrix_UT, self.known_UT)
            return
        for mean_D, (vector_TD, has_T) in zip(self.mean_PD, self.parts.vectors(cached=cached), strict=True):
            yield self._centred(mean_D, vector_TD, has_T)

    def _store(self, kind: str, number: int, found: Prototypes, vector_RD: Tensor) -> None:
        """Keep the clusters; each row, of those that took no part too, goes to the nearest centre."""
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
        if self.parts is not None:
            value_B = 0.5 * (value_B + self._of_parts(self.parts, text_B, number_B, generator))
        user_B = self._drawn_users(text_B, generator)
        if self.settings.users and len(self.granularities("user")):
            known_B = torch.from_numpy(user_B >= 0).to(first_BD.device)
            against_B = self._against("user", first_BD, torch.from_numpy(user_B.clip(0)).to(first_BD.device))
            value_B = value_B + self.settings.users * torch.where(known_B, against_B, torch.zeros_like(against_B))
        if self.settings.instance:
            logit_BB = first_BD @ self._views(text_B).T / self.settings.view_temperature
            value_B = value_B + self.settings.instance * (logit_BB.logsumexp(1) - logit_BB.diagonal())
        return value_B

    def _of_parts(self, parts: TextParts, text_B: Int64, number_B: Tensor, generator: np.random.Generator) -> Tensor:
        """Return the loss of one part of each text against the clusters of the texts."""
        part_B, row_B = parts.drawn(text_B, generator)
        place_B = torch.from_numpy(part_B.clip(0)).to(number_B.device)
        vector_BD = widened(self.trunk.encode(*parts.tokens.padded(row_B.clip(0), torch.device("cpu"))))
        value_B = self._against("item", functional.normalize(vector_BD - self.mean_PD[place_B], dim=1), number_B)
        return torch.where(torch.from_numpy(part_B >= 0).to(value_B.device), value_B, torch.zeros_like(value_B))

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
        features = super().finish().item_features
        _, first_T = np.unique(self.trunk.text_I, return_index=True)
        self._make(features["text"][first_T[-len(self.trunk.texts) :]])  # items without a text are left out
        tables = [
            self._table(kind, number) for kind in ("item", "user") for number in range(len(self.granularities(kind)))
        ]
        return Pretrained(item_features=features, tables=joined(tables))

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
