"""Nearest neighbours of users: a user is the similarities to the nearest training users, an item who has it.

U users, T training users, I items.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from reccli.api import Choices, ComponentSettings, Context, Encoder, Histories, Range, TrainingData
from reccli.nn.bounds import Amount, Count
from reccli.nn.history_matrix import history_matrix
from reccli.nn.neighbours import by_power, nearest, weighted
from reccli.nn.sparse_choice import trial
from reccli.nn.sparse_table import SparseTable

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["UserKnn"]

Weighting = Literal["none", "tf-idf", "bm25"]
WEIGHTINGS: tuple[Weighting, ...] = ("none", "tf-idf", "bm25")
NEIGHBOURS = (25, 50, 100, 200, 400, 800)
CHOOSING_USERS = 1024


class UserKnn(Encoder):
    """Score an item by the similarities of the nearest training users who have it.

    ::

        score(u, i) = sum over v among the k nearest of u, who have i, of cos(y_u, y_v) o_uv / (o_uv + shrink) * w_vi

    with `y_u` the user's row of weighted interactions (`settings.weighting`: rare items say more), and `o_uv` the items
    that both have.

    Args:
        settings.neighbours: Training users that count, 25 to 800, or `auto`.
        settings.weighting: `none`, `tf-idf` or `bm25` over items, or `auto`.
        settings.shrink: Shared items at which a similarity counts half, 0 to 100.

    Shapes:
        histories -> sparse UT; items -> sparse IT. The dense part has no columns.

    Notes:
        Nothing is trained, and users who come later are served from their history. A training user who has nothing that
        somebody does not have already adds nothing to that user's list, so that users need not be kept from being their
        own neighbours: their own items are never listed. `auto` holds a tenth of the training rows out (the newest
        where there is an order) and compares by NDCG@20; validation and test parts are never seen.

    Paper:
        Herlocker, Konstan, Borchers, Riedl: An Algorithmic Framework for Performing Collaborative Filtering, SIGIR
        1999, https://doi.org/10.1145/312624.312682. Wang, de Vries, Reinders: Unifying User-based and Item-based
        Collaborative Filtering, SIGIR 2006, https://doi.org/10.1145/1148170.1148257.

    Pairs well with:
        Nothing: it has no loss. In an ensemble with `item-knn`.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1, 1], [0, 1, 1, 2], n_users=2, n_items=3))
        >>> encoder = UserKnn(UserKnn.Settings(neighbours=2, weighting="none"))
        >>> encoder.setup(data, Context())
        >>> encoder.export_sparse_users(data.train).toarray().round(2).tolist()
        [[1.0, 0.5], [0.5, 1.0]]
    """

    class Settings(ComponentSettings):
        """Settings of `user-knn`."""

        neighbours: Annotated[Count | Literal["auto"], Choices(("auto", 50, 100, 200, 400))] = "auto"
        """Training users that count: 25 to 800, or `auto` to choose on held-out training rows."""
        weighting: Weighting | Literal["auto"] = "auto"
        """How items are weighted: `none`, `tf-idf`, `bm25`, or `auto`."""
        shrink: Annotated[Amount, Range(0.0, 100.0)] = 0.0
        """Shared items at which a similarity counts half: 0 to 100."""

    trainable: ClassVar[bool] = False
    serves_new_users: bool = True
    chosen: Tensor

    def dot_alone(self, task: str) -> bool:
        """Return true: products of sparse vectors are all there is."""
        return True

    def setup(self, data: TrainingData, context: Context) -> None:
        """Choose what is to be chosen, then keep the training rows."""
        self.n_items = data.n_items
        self.register_buffer("chosen", torch.zeros(2, dtype=torch.int64))
        if context.restoring:
            self.table = SparseTable()
            return
        neighbours, weighting = self._choose(data, context)
        self.chosen.copy_(torch.tensor([neighbours, WEIGHTINGS.index(weighting)]))
        self.table = SparseTable(history_matrix(data.train))

    def items(self, item_N: Tensor) -> Tensor:
        """Return no numbers, N x 0: the vectors are sparse."""
        return torch.zeros(len(item_N), 0)

    def export_users(self, histories: Histories) -> Tensor:
        """Return no numbers, U x 0: the vectors are sparse."""
        return torch.zeros(histories.n_users, 0)

    def export_sparse_items(self) -> csr_matrix:
        """Return who has each item, IT."""
        return self.table.matrix().T.tocsr()

    def export_sparse_users(self, histories: Histories) -> csr_matrix:
        """Return the similarities to the nearest training users, UT."""
        neighbours, weighting = self.chosen.tolist()
        return self._similar(histories, self.table.matrix(), neighbours, WEIGHTINGS[weighting])

    def _similar(self, histories: Histories, known_TI: csr_matrix, neighbours: int, weighting: str) -> csr_matrix:
        parts = [weighted(matrix, weighting, fitted_on=known_TI) for matrix in (history_matrix(histories), known_TI)]
        user_UI, other_TI = (by_power(part, np.asarray(part.multiply(part).sum(1)).ravel(), -0.5) for part in parts)
        return nearest(user_UI, other_TI, neighbours, shrink=self.settings.shrink)

    def _choose(self, data: TrainingData, context: Context) -> tuple[int, Weighting]:
        given = self.settings
        neighbours = NEIGHBOURS if given.neighbours == "auto" else (given.neighbours,)
        weightings = WEIGHTINGS if given.weighting == "auto" else (given.weighting,)
        pairs = list(product(neighbours, weightings))
        found = trial(data, context, "user-knn", users=CHOOSING_USERS) if len(pairs) > 1 else None
        if found is None:
            return pairs[0]
        known_TI = history_matrix(found.kept)
        item_IT = known_TI.T.tocsr()
        values = [
            found.ndcg(self._similar(found.seen, known_TI, number, weighting), item_IT) for number, weighting in pairs
        ]
        value, (number, weighting) = max(zip(values, pairs, strict=True), key=lambda entry: entry[0])
        context.say(
            f"user-knn: {number} neighbours, weighting {weighting} chosen "
            f"(ndcg@20 {value:.4f} on held-out training rows)"
        )
        return number, weighting
