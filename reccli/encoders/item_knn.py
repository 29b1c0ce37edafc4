"""Nearest neighbours of items: the user is the history, an item its column of similarities.

U users, I items, E interactions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from reccli.api import Choices, Context, Histories, Range, TrainingData
from reccli.nn.bounds import Amount, Power
from reccli.nn.history_matrix import history_matrix
from reccli.nn.neighbours import by_power, nearest, power_of, weighted
from reccli.nn.sparse_choice import Trial, trial
from reccli.nn.sparse_items import SparseItems, SparseItemsSettings

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["ItemKnn"]

Weighting = Literal["none", "tf-idf", "bm25"]
WEIGHTINGS: tuple[tuple[str, float], ...] = (
    ("none", 0.0),
    ("none", 0.15),
    ("none", 0.3),
    ("none", 0.45),
    ("tf-idf", 0.0),
    ("bm25", 0.0),
)
"""Weightings with powers of the users' degrees."""
FIRST_POWERS = ((0.6, 0.4), (0.5, 0.2))
HISTORY_POWERS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
ITEM_POWERS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
CHOOSING_USERS = 2048


class ItemKnn(SparseItems):
    r"""Score an item by its similarity to the items of the history: a linear filter of one hop on the graph.

    ::

        score(u, i) = sum over j in the history, i among the nearest of j, of
                      w_uj (1 + a_j)^(-r) (y_i . y_j) / (|y_j|^(2a) |y_i|^(2b)) * o_ij / (o_ij + shrink)

    with `y_i` item i's weighted interactions, one column a user (`settings.weighting`; divided by the power
    `user_power` of the user's degree), `a` the history's power and `b` the item's (1/2 and 1/2 are the cosine),
    `o_ij` the users that both items share, `a_j` the entries that came after j, and `r` `settings.recency`, 0 without
    an order.

    Args:
        settings.neighbours: Items kept for each item of a history, 50 to 2,000.
        settings.weighting: `none`, `tf-idf` or `bm25` over users (those with long histories count less), or `auto`.
        settings.user_power: How much less a user with a long history counts, 0 to 0.5 (with `none`), or `auto`.
        settings.history_power: How much less popular items of a history say, 0 to 1, or `auto`.
        settings.item_power: How much popularity is taken out of the score, 0 to 0.5, or `auto`.
        settings.shrink: Shared users at which a similarity counts half, 0 to 100.
        settings.recency: How fast entries of a history count less with age, 0 to 1.5, or `auto`; needs an order.

    Shapes:
        histories -> sparse UI; items -> sparse II. The dense part has no columns.

    Notes:
        Nothing is trained, and users who come later are served from their history. `auto` holds a tenth of the training
        rows out (the newest where there is an order) and compares by NDCG@20; validation and test parts are never
        seen. Memory: about 20 million products at once, and `neighbours` entries an item.

    Paper:
        Deshpande, Karypis: Item-based top-N recommendation algorithms, ACM TOIS 22(1), 2004,
        https://doi.org/10.1145/963770.963776, section 4. Aiolli: Efficient Top-N Recommendation for Very Large Scale
        Binary Rated Datasets, RecSys 2013, https://doi.org/10.1145/2507157.2507189, equation 3 (the asymmetric
        cosine: `b` = 1 - `a`). Shen et al.: How Powerful is Graph Convolution for Recommendation?, CIKM 2021,
        https://arxiv.org/abs/2108.07567, equation 8 (the linear filter: all exponents 1/2). Bell,
        Koren: Improved Neighborhood-based Collaborative Filtering, KDD Cup 2007,
        https://doi.org/10.1145/1345448.1345465 (shrinkage).

    Pairs well with:
        Nothing: it has no loss. In an ensemble with `spectral`, which knows items that share no users.

    Example:
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1, 1], [0, 1, 1, 2], n_users=2, n_items=3))
        >>> encoder = ItemKnn(ItemKnn.Settings(weighting="none", user_power=0.0, history_power=0.5, item_power=0.5))
        >>> encoder.setup(data, Context())
        >>> encoder.export_sparse_items().toarray().round(2).tolist()
        [[0.0, 0.7099999785423279, 0.0], [0.7099999785423279, 0.0, 0.7099999785423279], [0.0, 0.7099999785423279, 0.0]]
    """

    class Settings(SparseItemsSettings):
        """Settings of `item-knn`."""

        neighbours: Annotated[int, Choices((100, 200, 400, 800))] = Field(default=400, ge=1)
        """Items kept for each item of a history: 50 to 2,000."""
        weighting: Weighting | Literal["auto"] = "auto"
        """How users' rows are weighted: `none`, `tf-idf`, `bm25`, or `auto` to choose on held-out training rows."""
        user_power: Power | Literal["auto"] = "auto"
        """How much less a user with a long history counts: 0 to 0.5, or `auto`."""
        history_power: Power | Literal["auto"] = "auto"
        """How much less popular items of a history say: 0 to 1, or `auto`."""
        item_power: Power | Literal["auto"] = "auto"
        """How much popularity is taken out of the score: 0 to 0.5, or `auto`."""
        shrink: Annotated[Amount, Range(0.0, 100.0)] = 0.0
        """Shared users at which a similarity counts half: 0 to 100."""

    def weights(self, histories: Histories, chosen: _Powers) -> csr_matrix:
        """Find the most telling neighbours of each item of a history, II."""
        item_IU = _items(histories, chosen)
        norm_I = np.asarray(item_IU.multiply(item_IU).sum(1), np.float64).ravel()
        history_IU, item_IU = by_power(item_IU, norm_I, -chosen.history), by_power(item_IU, norm_I, -chosen.item)
        settings = self.settings
        return nearest(history_IU, item_IU, settings.neighbours, shrink=settings.shrink, same=True).T.tocsr()

    def choose(self, data: TrainingData, context: Context) -> _Powers:
        """Return weighting and powers: what is given, or what is best on training rows that are held out."""
        given = self.settings
        variants = [
            (weighting, power)
            for weighting, power in WEIGHTINGS
            if given.weighting in ("auto", weighting) and (given.user_power == "auto" or power == 0.0)
        ]
        if given.user_power != "auto":
            variants = [(weighting, given.user_power) for weighting, _ in variants]
        history = HISTORY_POWERS if given.history_power == "auto" else (given.history_power,)
        item = ITEM_POWERS if given.item_power == "auto" else (given.item_power,)
        first = FIRST_POWERS if len(history) > 1 and len(item) > 1 else tuple(product(history[:1], item[:1]))
        if len(variants) == len(history) == len(item) == 1:
            return _Powers(*variants[0], history[0], item[0])
        found = trial(data, context, "item-knn", users=CHOOSING_USERS)
        if found is None:
            return _Powers(*variants[0], *first[0])
        tried = [(value, p) for variant in variants for value, p in _tried(found, variant, first)]
        _, best = max(tried, key=lambda entry: entry[0])
        tried += _tried(found, (best.weighting, best.user), list(product(history, item)))
        value, best = max(tried, key=lambda entry: entry[0])
        context.say(
            f"item-knn: weighting {best.weighting}, powers {best.user} of users, {best.history} of histories, "
            f"{best.item} of items chosen (ndcg@20 {value:.4f} on held-out training rows)"
        )
        return best


@dataclass(frozen=True)
class _Powers:
    weighting: str
    user: float
    history: float
    item: float


def _items(histories: Histories, powers: _Powers) -> csr_matrix:
    """Return the weighted interactions of each item, IU."""
    matrix_UI = history_matrix(histories)
    degree_U = np.asarray(matrix_UI.sum(1), np.float64).ravel()
    return weighted(by_power(matrix_UI, degree_U, -powers.user).T.tocsr(), powers.weighting)


def _tried(
    found: Trial, variant: tuple[str, float], pairs: Sequence[tuple[float, float]]
) -> list[tuple[float, _Powers]]:
    """Measure pairs of powers on one Gram matrix, all neighbours counted."""
    item_IU = _items(found.kept, _Powers(*variant, 0.0, 0.0))
    norm_I = np.asarray(item_IU.multiply(item_IU).sum(1), np.float64).ravel()
    turned_UI, user_BI = item_IU.T.tocsr(), found.seen.to_scipy("weight")
    item_powers = {item for _, item in pairs}
    value_of: dict[tuple[float, float], float] = {}
    for history in dict.fromkeys(history for history, _ in pairs):
        history_BU = (user_BI @ by_power(item_IU, norm_I, -history)).tocsr()
        scale = {item: power_of(norm_I, -item).astype(np.float32) for item in item_powers if (history, item) in pairs}
        measured = found.of_scores(_products(history_BU, turned_UI), list(scale.values()))
        value_of |= {(history, item): value for item, value in zip(scale, measured, strict=True)}
    return [(value_of[pair], _Powers(*variant, *pair)) for pair in pairs]


def _products(history_BU: csr_matrix, turned_UI: csr_matrix) -> Callable[[int, int], npt.NDArray[np.float32]]:
    return lambda low, high: (history_BU[low:high] @ turned_UI).toarray()
