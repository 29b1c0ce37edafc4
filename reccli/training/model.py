"""Encoder, loss and similarity as one module: from a batch to a loss, and from histories to stored vectors.

B batch rows, N negatives, X distinct items of a step, U users, I items, D embedding, S stored vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reccli.api.batch import Batch, LossInputs, UserGroups
from reccli.api.data import Histories, TrainingData
from reccli.api.encoder import Encoder
from reccli.api.loss import Loss
from reccli.api.similarity import Similarity
from reccli.api.vectors import MixedVectors
from reccli.errors import ConfigError
from reccli.nn.regulariser import embedding_norms
from reccli.nn.tables import look_up
from reccli.training.auxiliaries import Auxiliaries
from reccli.training.dropout import drop_vectors, mean_output
from reccli.training.hard_negatives import hardest
from reccli.training.masks import Masks, one_row_each
from reccli.training.mechanics import PLAIN, Mechanics
from reccli.training.memory import memory_of
from reccli.training.passes import cut_rows, in_passes
from reccli.training.repeats import may_count, once_each
from reccli.training.side_tasks import SideTask, narrowed
from reccli.training.teaching import Teacher
from reccli.training.values import Values

__all__ = ["ScoringModel"]

PASSING = ("auxiliaries", "memory", "sides")


class ScoringModel(nn.Module):
    """What fine-tuning trains.

    A score ends as the dot product of stored vectors. For ratings and labels these are `[c u, m + b_u, 1]` and
    `[v, 1, b_i]` (see `Values`), so that the product is the prediction.

    Args:
        encoder: Set up already.
        loss: The criterion, or None for a closed form.
        similarity: How users and items are compared.
        data: Training data; its task says whether values are predicted.
        mechanics: How a batch becomes a loss.
        teacher: Soft targets beside the loss, or None.
        sides: Further tasks over the same vectors.
        auxiliaries: Contrast of views beside the loss, or None.
    """

    def __init__(
        self,
        encoder: Encoder,
        loss: Loss | None,
        similarity: Similarity,
        data: TrainingData,
        mechanics: Mechanics = PLAIN,
        teacher: Teacher | None = None,
        sides: Sequence[SideTask] = (),
        auxiliaries: Auxiliaries | None = None,
    ) -> None:
        super().__init__()
        self.mechanics, self.teacher, self.auxiliaries = mechanics, teacher, auxiliaries
        encoder.micro_batch = mechanics.micro_batch
        self.encoder, self.loss, self.similarity, self.task = encoder, loss, similarity, data.task
        self.sides = nn.ModuleList(sides)
        own: frozenset[str] = frozenset() if loss is None else loss.needs_for(data.task)
        self.needs = own.union(*(side.needs for side in sides))
        predicts = data.task in ("rating", "ctr")
        scaled, biased = similarity.name != "dot", not encoder.own_biases
        self.values = Values(data, folding=encoder.serves_new_users, scaled=scaled, biased=biased) if predicts else None
        losses = [criterion for criterion in (loss, *(side.loss for side in sides)) if criterion is not None]
        table = "table" in self.needs and any(criterion.masks_table for criterion in losses)
        drawn, twins = "negatives" in self.needs, mechanics.mask_twins
        self.masks = Masks(data, table=table, negatives=drawn, mask_twins=twins) if drawn or table else None
        self.counting = teacher is None and may_count([(loss, own), *((s.loss, s.needs) for s in sides)], mechanics)
        self.n_seen = int((data.item_count_I() > 0).sum())
        self.memory = memory_of(mechanics.memory, mechanics.memory_after, data, self.needs)
        self.warm_I = None if encoder.serves_new_items else encoder.warm_items()
        if self.warm_I is None and not encoder.serves_new_items:
            self.warm_I = torch.from_numpy(data.item_count_I() > 0)
        warm_U = encoder.warm_users()
        self.warm_U = torch.from_numpy(data.train.length_U > 0) if warm_U is None else warm_U

    def parameter_groups(self) -> Iterator[Mapping[str, Any]]:
        """Yield the encoder's groups, then what the loss and the biases learn."""
        yield from self.encoder.parameter_groups()
        for part in (self.loss, self.values, *self.sides, self.auxiliaries):
            parameters = [p for p in part.parameters() if p.requires_grad] if part is not None else []
            if parameters:
                yield {"params": parameters, "weight_decay": 0.0}

    def batch_loss(
        self, batch: Batch, *, l1: float = 0.0, l2: float = 0.0, remember: bool = True
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return a batch's loss with all penalties, and its terms by name.

        Args:
            batch: Rows and negatives.
            l1: Weight of the L1 penalty.
            l2: Weight of the L2 penalty.
            remember: Whether the step's positives enter the memory, where there is one, and auxiliary tasks count.
        """
        if self.loss is None:
            raise RuntimeError("a closed form has no loss")
        self.encoder.begin_step()
        inputs = self._inputs(batch)
        if self.auxiliaries is None and not (type(self.encoder).joint or l1 or l2):
            self.encoder.end_step()  # before the scores, which are the most that a step holds
        own = narrowed(inputs, self.loss.needs_for(self.task)) if self.sides else inputs
        output = mean_output([self.loss(sample) for sample in self._samples(own, batch)])
        if self.memory is not None and remember:
            self.memory.take(batch.item_B, inputs.positive_BD)
        total, terms = output.total(batch.weight_B), {**output.terms, **output.parts}
        if self.teacher is not None:
            terms["teacher"] = self.teacher(inputs, batch)
            total = total + terms["teacher"]
        for side in self.sides:
            terms[str(side.task)] = value = side(inputs, batch)
            total = total + value
        if self.auxiliaries is not None and remember:
            value, parts = self.auxiliaries(self.encoder, batch)
            total, terms = total + value, terms | parts
        if l1 or l2:
            terms["penalty"] = embedding_norms(self.encoder.regularised(batch), l1=l1, l2=l2, rows=len(batch))
            total = total + terms["penalty"].to(total.device)
        return total, terms

    def stored_state(self) -> dict[str, Tensor]:
        """Return the state that a finished run stores: without what only further training would use."""
        return {name: value for name, value in self.state_dict().items() if name.split(".")[0] not in PASSING}

    @torch.no_grad()
    def stored_items(self) -> Tensor:
        """Return what is stored for items, IS on the CPU; zeros for items that the encoder does not know."""
        item_IS = self.similarity.stored_items(self.encoder.export_items())
        if self.warm_I is not None:
            item_IS = item_IS * self.warm_I[:, None]
        if self.values is None:
            return item_IS
        bias_I1 = self.values.item_bias_I.detach().cpu()[:, None]
        return torch.cat([item_IS, torch.ones_like(bias_I1), bias_I1], dim=1)

    @torch.no_grad()
    def stored_users(self, histories: Histories) -> Tensor:
        """Return what is stored for users, US on the CPU, given by history.

        An encoder that knows only its training users gives those, zeros for the ones without training rows.
        """
        known_U = None if self.encoder.serves_new_users else self.warm_U
        return self.stored(self.encoder.export_users(histories), histories, known_U)

    @torch.no_grad()
    def stored(self, user_UD: Tensor, histories: Histories | None, known_U: Tensor | None = None) -> Tensor:
        """Return what is stored for users, US.

        Args:
            user_UD: Their embeddings.
            histories: Their histories, for their biases; None where there are none.
            known_U: Users whose embeddings mean something; None for all.
        """
        user_US = self.similarity.stored_users(user_UD)
        if known_U is not None:
            user_US = user_US * known_U[:, None]
        if self.values is None:
            return user_US
        scale = self.values.log_scale.detach().exp().cpu()
        bias_U = self.values.mean.cpu().expand(len(user_UD))
        if histories is not None:
            bias_U = bias_U + self.values.user_bias_of(histories)
        bias_U = bias_U + scale * self.similarity.user_offset_U(user_UD)
        return torch.cat([scale * user_US, bias_U[:, None], torch.ones(len(bias_U), 1)], dim=1)

    def _inputs(self, batch: Batch) -> LossInputs:
        batch, count_N = once_each(batch) if self.counting else (batch, None)
        shared = batch.negatives.own_BN is None and not batch.negatives.hardest
        groups = self._groups(batch) if shared else None
        user_BD = self._users(batch) if groups is None else look_up(groups.user_GD, groups.place_B)
        positive_BD, parts = self._items(batch)
        if self.memory is not None:
            negatives, parts["negative_ND"] = self.memory.join(batch.negatives, parts.get("negative_ND", positive_BD))
            batch = replace(batch, negatives=negatives)
        if batch.negatives.hardest:
            batch, parts["negative_BND"] = self._hardest(batch, user_BD, parts.pop("negative_ND"))
        if groups is not None:
            known: dict[str, Any] = {} if self.masks is None else self.masks.of_groups(batch, groups.place_B)
            parts["groups"] = replace(groups, **known)
        elif self.masks is not None:
            parts |= self.masks.of_rows(batch)
        return LossInputs(
            user_BD=user_BD,
            positive_BD=positive_BD,
            similarity=self.similarity,
            item_B=batch.item_B,
            target_B=batch.value_B,
            weight_B=batch.weight_B,
            log_q_N=batch.negatives.log_q_N,
            count_N=count_N,
            n_items=self.n_seen,
            **parts,
        )

    def _hardest(self, batch: Batch, user_BD: Tensor, pool_PD: Tensor) -> tuple[Batch, Tensor]:
        """Return the batch with each row's own negatives out of the pool, and their vectors."""
        if self.masks is None:
            raise RuntimeError("negatives come without a loss that needs them")
        known_BP = self.masks.of_rows(batch)["known_BN"]
        negatives, vector_BND = hardest(user_BD, pool_PD, batch.negatives, self.similarity, known_BP)
        return replace(batch, negatives=negatives), vector_BND

    def _samples(self, inputs: LossInputs, batch: Batch) -> Iterator[LossInputs]:
        """Yield what the loss sees: once, or in training with several dropouts; predictions follow from it."""
        rate = self.mechanics.dropout if self.training else 0.0
        for _ in range(self.mechanics.dropout_samples if rate else 1):
            sample = drop_vectors(inputs, rate) if rate else inputs
            if self.values is not None and self.needs & {"ratings", "labels"}:
                similarity_B = self.similarity.pairs(sample.user_BD.float(), sample.positive_BD.float())
                if type(self.encoder).joint:
                    similarity_B = similarity_B + self.encoder.scores(batch.user_B, batch.item_B).float()
                sample = replace(sample, prediction_B=self.values.prediction_B(similarity_B, batch))
            yield sample

    def _groups(self, batch: Batch) -> UserGroups | None:
        """Return the batch's distinct users where the rows share them and the loss makes use of it."""
        if not self.encoder.one_vector_per_user or self.loss is None or not self.loss.uses_groups:
            return None
        _, place_B = torch.unique(batch.user_B, return_inverse=True)
        return UserGroups(self._users(one_row_each(batch, place_B)), place_B)

    def _users(self, batch: Batch) -> Tensor:
        """Encode the users of rows, in passes where there is a size for them."""
        pieces = cut_rows(batch, self.mechanics.micro_batch, whole_users=type(self.encoder).grouped)
        return in_passes(self.encoder.users, pieces, self.encoder)

    def _encoded(self, code_X: Tensor) -> Tensor:
        """Encode items, in passes where there is a size for them."""
        size = None if type(self.encoder).cuts_passes else self.mechanics.micro_batch
        pieces = [code_X] if size is None else torch.split(code_X, size)
        return in_passes(self.encoder.items, pieces, self.encoder)

    def _items(self, batch: Batch) -> tuple[Tensor, dict[str, Any]]:
        """Encode each distinct item of the step once; return positives, and negatives or the table."""
        negatives, rows = batch.negatives, len(batch)
        drawn = negatives.shared_N if negatives.shared_N is not None else negatives.own_BN
        name = "negative_ND" if negatives.shared_N is not None else "negative_BND"
        if "table" in self.needs:
            table_ID = self.encoder.all_items()
            parts = {"table_ID": table_ID} | ({} if drawn is None else {name: look_up(table_ID, drawn)})
            return look_up(table_ID, batch.item_B), parts
        if drawn is None or negatives.in_batch:
            code_X, place = torch.unique(batch.item_B, return_inverse=True)
            item_XD = self._encoded(code_X)
            positive_BD = look_up(item_XD, place)
            once = drawn is not None and torch.equal(drawn, code_X)
            return positive_BD, {} if drawn is None else {"negative_ND": item_XD if once else positive_BD}
        code_X, place = torch.unique(torch.cat([batch.item_B, drawn.reshape(-1)]), return_inverse=True)
        item_XD = self._encoded(code_X)
        return look_up(item_XD, place[:rows]), {name: look_up(item_XD, place[rows:].reshape(drawn.shape))}

    @torch.no_grad()
    def pair_scores(self, user_R: np.ndarray, item_R: np.ndarray, histories: Histories | None = None) -> np.ndarray:
        """Return what a joint encoder adds to the product of stored vectors of pairs, R; zeros for all others."""
        if not type(self.encoder).joint or not len(user_R):
            return np.zeros(len(user_R))
        self.eval()
        device = self.encoder.device
        users, items = (torch.from_numpy(np.ascontiguousarray(code_R, np.int64)) for code_R in (user_R, item_R))
        score_R = self.encoder.scores(users.to(device), items.to(device), histories)
        scale = 1.0 if self.values is None else float(self.values.log_scale.exp())
        return (scale * score_R.double()).cpu().numpy()

    def user_vectors(self, histories: Histories) -> np.ndarray | MixedVectors:
        """Return stored vectors of users given by history, US float32."""
        self.eval()
        dense_US, sparse = self.stored_users(histories).numpy(), self.encoder.export_sparse_users(histories)
        if sparse is None:
            return dense_US
        scale = 1.0 if self.values is None else float(self.values.log_scale.exp())
        return MixedVectors(dense_US, (sparse * np.float32(scale)).tocsr())

    def item_vectors(self) -> np.ndarray | MixedVectors:
        """Return stored vectors of the catalogue, IS float32."""
        self.eval()
        dense_IS, sparse = self.stored_items().numpy(), self.encoder.export_sparse_items()
        if sparse is None:
            return dense_IS
        if self.similarity.name != "dot":
            raise ConfigError(
                f"similarity '{self.similarity.name}': an encoder with sparse vectors takes dot alone",
                hint="--set similarity=dot",
            )
        return MixedVectors(dense_IS, sparse.tocsr().astype(np.float32))
