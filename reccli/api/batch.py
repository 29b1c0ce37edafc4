"""The tensors that travel between sampler, encoder and loss.

B rows of the batch, N shared negatives (or N own negatives per row), D embedding, I items.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from reccli.api.similarity import Similarity

__all__ = ["Batch", "LossInputs", "LossOutput", "Negatives", "UserGroups"]


@dataclass(frozen=True, slots=True)
class Negatives:
    """What a sampler draws for one batch: exactly one of the two code tensors, or neither.

    Args:
        shared_N: Codes of negatives that all rows share, int64.
        own_BN: Codes of each row's own negatives, int64.
        log_q_N: Log probability with which each shared negative was proposed, for logQ corrections, or None.
        in_batch: Whether `shared_N` is the batch's positives themselves (then their embeddings are reused).
        hardest: If above 0, `shared_N` is a pool: each row keeps so many of it, those with the highest score that are
            no known positives of its user, and the loss sees them as the row's own. The model scores, not the sampler.
        kept: Of a pool, so many of its first places stay with every row whatever their score.
    """

    shared_N: Tensor | None = None
    own_BN: Tensor | None = None
    log_q_N: Tensor | None = None
    in_batch: bool = False
    hardest: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of training interactions.

    Args:
        row_B: Positions in `TrainingData.train` (so `train.item_E[row_B]` are the positives), int64.
        user_B: User codes, int64. Rows of one user stand together where the encoder is `grouped`.
        item_B: Positive item codes, int64.
        value_B: Value on the data's scale, float32.
        weight_B: Weight of the row, float32.
        negatives: What the sampler drew.
    """

    row_B: Tensor
    user_B: Tensor
    item_B: Tensor
    value_B: Tensor
    weight_B: Tensor
    negatives: Negatives = field(default_factory=Negatives)

    def __len__(self) -> int:
        return int(self.row_B.shape[0])


@dataclass(frozen=True, slots=True)
class UserGroups:
    """The distinct user vectors of a batch whose rows share them, for losses with `uses_groups`. G distinct users.

    Args:
        user_GD: User embeddings, each once.
        place_B: Row of `user_GD` that each row of the batch has.
        known_GN: True where a shared negative is any known positive of the user, rows' own positives among them. For a
            `table` loss GI: true where an item is a known positive of the user that no row of the batch has. None when
            it was not asked for. It stands for `known_BN` and `known_BI`, which are None then.
        known_GI: The mask of the table where losses are added up of which one needs negatives and another the table;
            each of them sees its own mask as `known_GN`.
    """

    user_GD: Tensor
    place_B: Tensor
    known_GN: Tensor | None = None
    known_GI: Tensor | None = None


@dataclass(frozen=True, slots=True)
class LossInputs:
    """All that a loss may look at.

    Embeddings are raw; scores come from `similarity.pairs/matrix/own` (or the methods below). A temperature is the
    loss's own business.

    Args:
        user_BD: User embeddings.
        positive_BD: Embeddings of the positives.
        similarity: The similarity in force.
        item_B: Codes of the positives.
        negative_ND: Embeddings of shared negatives, or None.
        negative_BND: Embeddings of each row's own negatives, or None.
        table_ID: Embeddings of the whole catalogue, for a loss that needs `table`, else None.
        known_BN: True where the negative is a known positive of the row's user, or the row's own positive: not a
            negative, to be left out. For a table loss it is None: see `known_BI`.
        known_BI: For a `table` loss: True where an item is a known positive of the user other than this row's, or None
            when it was not asked for (`Loss.masks_table`).
        log_q_N: Log proposal probability of shared negatives, or None.
        count_N: How often each shared negative was drawn, where repeated draws come once, for a loss with
            `counts_negatives`, float32; None where each came as often as it was drawn.
        target_B: The value to predict (a rating, or a 0/1 label).
        weight_B: Weight of each row.
        prediction_B: The score plus the biases and the mean that the training model learns for ratings and labels, or
            None where it learns none. Losses that compare with `target_B` use it: see `predicted_B`.
        groups: The distinct users of the batch, for a loss with `uses_groups` where rows share them, else None.
        n_items: Items that could be negatives (those met in training), for a loss that counts ranks or shares of the
            catalogue; 0 where nobody says.
    """

    user_BD: Tensor
    positive_BD: Tensor
    similarity: Similarity
    item_B: Tensor
    target_B: Tensor
    weight_B: Tensor
    negative_ND: Tensor | None = None
    negative_BND: Tensor | None = None
    table_ID: Tensor | None = None
    known_BN: Tensor | None = None
    known_BI: Tensor | None = None
    log_q_N: Tensor | None = None
    count_N: Tensor | None = None
    prediction_B: Tensor | None = None
    groups: UserGroups | None = None
    n_items: int = 0

    def predicted_B(self) -> Tensor:
        """What to compare with `target_B`: `prediction_B`, or without one the bare score."""
        return self.positive_score_B() if self.prediction_B is None else self.prediction_B

    def in_full_precision(self) -> LossInputs:
        """Return the same inputs with half-precision tensors widened to float32."""
        half = (torch.float16, torch.bfloat16)
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        wide: dict[str, Any] = {
            name: value.float() for name, value in values.items() if isinstance(value, Tensor) and value.dtype in half
        }
        if self.groups is not None and self.groups.user_GD.dtype in half:
            wide["groups"] = replace(self.groups, user_GD=self.groups.user_GD.float())
        return replace(self, **wide) if wide else self

    def positive_score_B(self) -> Tensor:
        """Similarity of each row's user and positive."""
        return self.similarity.pairs(self.user_BD, self.positive_BD)

    def negative_score_BN(self) -> Tensor:
        """Similarity of each row's user and its negatives, known positives NOT yet left out."""
        if self.negative_ND is not None:
            return self.similarity.matrix(self.user_BD, self.negative_ND)
        if self.negative_BND is not None:
            return self.similarity.own(self.user_BD, self.negative_BND)
        return self.user_BD.new_zeros((self.user_BD.shape[0], 0))


@dataclass(frozen=True, slots=True)
class LossOutput:
    """What a loss returns.

    Args:
        value_B: One non-negative-or-not value per row; the loop takes the weighted mean.
        terms: Scalar terms that are added as they are, by name (uniformity, a regulariser).
        parts: Scalars by name that are reported and not added: what the value is made of.
    """

    value_B: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)
    parts: dict[str, Tensor] = field(default_factory=dict)

    def total(self, weight_B: Tensor) -> Tensor:
        """Weighted mean of the rows plus all terms, a scalar."""
        mean = (self.value_B * weight_B).sum() / weight_B.sum().clamp_min(torch.finfo(weight_B.dtype).tiny)
        for term in self.terms.values():
            mean = mean + term
        return mean
