"""An encoder whose users are their histories, and whose items are weights of other items. U users, I items, N codes."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from reccli.api.component import Context
from reccli.api.data import Histories, TrainingData
from reccli.api.encoder import Encoder
from reccli.nn.sparse_table import SparseTable

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["SparseItems"]


class SparseItems(Encoder):
    """Score an item by the sum of the weights by which the items of a history speak for it; nothing is trained.

    What derives from it gives the `weights`.

    Shapes:
        histories -> sparse UI; items -> sparse II. The dense part has no columns.
    """

    trainable: ClassVar[bool] = False
    serves_new_users: bool = True
    table: SparseTable

    def dot_alone(self, task: str) -> bool:
        """Return true: products of sparse vectors are all there is."""
        return True

    @abstractmethod
    def weights(self, data: TrainingData, context: Context) -> csr_matrix:
        """Return by which weights items of a history (columns) speak for each item (row), II."""

    def setup(self, data: TrainingData, context: Context) -> None:
        """Keep the weights; those of a run that is opened again are loaded."""
        self.n_items = data.n_items
        self.table = SparseTable(None if context.restoring else self.weights(data, context))

    def items(self, item_N: Tensor) -> Tensor:
        """Return no numbers, N x 0: the vectors are sparse."""
        return torch.zeros(len(item_N), 0)

    def export_users(self, histories: Histories) -> Tensor:
        """Return no numbers, U x 0: the vectors are sparse."""
        return torch.zeros(histories.n_users, 0)

    def export_sparse_items(self) -> csr_matrix:
        """Return the weights, II."""
        return self.table.matrix()

    def export_sparse_users(self, histories: Histories) -> csr_matrix:
        """Return the histories, UI."""
        matrix = histories.to_scipy("weight")
        matrix.sum_duplicates()
        return matrix
