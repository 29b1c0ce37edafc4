"""An encoder whose users are their histories, and whose items are weights of other items. U users, I items, N codes."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor

from reccli.api.component import ComponentSettings, Context
from reccli.api.data import Histories, TrainingData
from reccli.api.encoder import Encoder
from reccli.api.needs import Needs
from reccli.api.search import Choices
from reccli.nn.bounds import Amount
from reccli.nn.history_age import RECENCIES, aged, require_order
from reccli.nn.history_matrix import history_matrix
from reccli.nn.sparse_choice import trial
from reccli.nn.sparse_table import SparseTable

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["SparseItems", "SparseItemsSettings"]

CHOOSING_USERS = 2048


class SparseItemsSettings(ComponentSettings):
    """Settings of encoders whose users are their histories."""

    recency: Annotated[
        Amount | Literal["auto"],
        Choices(("auto", 0.0, 0.5, 1.0)),
        Needs("time", unless=("auto", 0.0)),
    ] = "auto"
    """How fast entries of a history count less with age: 0 (not at all) to 1.5, or `auto`; needs an order."""


class SparseItems(Encoder):
    """Score an item by the sum of the weights by which the items of a history speak for it; nothing is trained.

    ::

        score(u, i) = sum over j in the history of  w_uj (1 + a_j)^(-r) b_ij

    with `a_j` the entries that came after j and `r` `settings.recency`, 0 without an order; with `auto` it is chosen
    after all else. What derives from it gives `b`: it chooses, and makes `weights` by its choice.

    Shapes:
        histories -> sparse UI; items -> sparse II. The dense part has no columns.

    Raises:
        ConfigError: `recency` is given, and there is no order to go by.
    """

    trainable: ClassVar[bool] = False
    serves_new_users: bool = True
    table: SparseTable
    recency: Tensor
    settings: Any

    def dot_alone(self, task: str) -> bool:
        """Return true: products of sparse vectors are all there is."""
        return True

    @abstractmethod
    def choose(self, data: TrainingData, context: Context) -> Any:
        """Return what is given, and for what is not the best on training rows that are held out."""

    @abstractmethod
    def weights(self, histories: Histories, chosen: Any) -> csr_matrix:
        """Return by which weights items of a history (columns) speak for each item (row), II."""

    def setup(self, data: TrainingData, context: Context) -> None:
        """Choose what is to be chosen, then keep the weights; those of a run that is opened again are loaded."""
        self.n_items, recency, weight_II = data.n_items, 0.0, None
        if not context.restoring:
            require_order(self.settings.recency, ordered=data.ordered)
            chosen = self.choose(data, context)
            recency = self._recency(data, context, chosen)
            weight_II = self.weights(data.train, chosen)
        self.register_buffer("recency", torch.tensor(recency, dtype=torch.float64))
        self.table = SparseTable(weight_II)

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
        return history_matrix(aged(histories, float(self.recency)))

    def _recency(self, data: TrainingData, context: Context, chosen: Any) -> float:
        """Return how fast histories age: what is given, or what is best on the newest training rows."""
        given = self.settings.recency
        if given != "auto":
            return float(given)
        name = type(self).__name__
        held = trial(data, context, f"{name} recency", users=CHOOSING_USERS) if data.ordered else None
        if held is None:
            return 0.0
        weight_II = self.weights(held.kept, chosen)
        value, best = max((held.ndcg(history_matrix(aged(held.seen, power)), weight_II), power) for power in RECENCIES)
        context.say(f"histories age by the power {best:g}, chosen (ndcg@20 {value:.4f} on the newest training rows)")
        return best
