"""Ranking metrics of every user from top-K lists and held-out interactions.

U users, K list length, E interactions, V evaluated users (those with a held-out item), M metric-and-k pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reccli.api import CatalogueMetric, Histories, RankingMetric
from reccli.errors import ConfigError, PluginError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["RankingScores", "distinct", "evaluate_catalogue", "evaluate_ranking", "hit_matrix"]

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

BLOCK_CELLS = 4_000_000


@dataclass(frozen=True)
class RankingScores:
    """A value per evaluated user, metric and k.

    Args:
        user_V: Codes of the evaluated users, ascending.
        n_relevant_V: Their distinct held-out items.
        names_M: Metric and k (None for a metric of the whole ranking) of each column.
        value_VM: Values, float64; NaN where a metric is not defined for a user.
    """

    user_V: Int64
    n_relevant_V: Int64
    names_M: tuple[tuple[str, int | None], ...]
    value_VM: Float64

    def mean(self, metric: str, k: int | None) -> float:
        """Return a metric's average over the users for whom it is defined; NaN where there are none."""
        value_V = self.value_VM[:, self.names_M.index((metric, k))]
        defined_V = ~np.isnan(value_V)
        return float(value_V[defined_V].mean()) if defined_V.any() else float("nan")

    def with_column(self, metric: str, value_U: Float64) -> RankingScores:
        """Return the scores with one more metric, given for all users (as the AUC of `evaluation.auc`)."""
        column_V1 = value_U[self.user_V][:, None]
        return RankingScores(
            self.user_V,
            self.n_relevant_V,
            (*self.names_M, (metric, None)),
            np.concatenate([self.value_VM, column_V1], axis=1),
        )

    def only(self, chosen_U: npt.NDArray[np.bool_]) -> RankingScores:
        """Return the scores of some users."""
        chosen_V = chosen_U[self.user_V]
        return RankingScores(self.user_V[chosen_V], self.n_relevant_V[chosen_V], self.names_M, self.value_VM[chosen_V])

    def frame(self) -> pl.DataFrame:
        """Return the long form, by metric, k and user: user, metric, k, value (undefined values left out)."""
        import polars as pl

        n_users = len(self.user_V)
        columns = {
            "user": np.tile(self.user_V.astype(np.uint32), len(self.names_M)),
            "metric": np.repeat(np.array([metric for metric, _ in self.names_M], dtype=np.str_), n_users),
            "k": pl.Series([k for _, k in self.names_M], dtype=pl.UInt32).gather(
                np.repeat(np.arange(len(self.names_M)), n_users)
            ),
            "value": self.value_VM.T.ravel(),
        }
        return pl.DataFrame(columns, schema_overrides={"metric": pl.String}).filter(pl.col("value").is_not_nan())


def distinct(held: Histories) -> Histories:
    """Return the held-out interactions with each user-item pair once, by item code."""
    user_E, item_E = np.divmod(_pair_keys(held), max(held.n_items, 1))
    return Histories.from_arrays(user_E, item_E, n_users=held.n_users, n_items=held.n_items)


def _pair_keys(held: Histories) -> Int64:
    return np.unique(held.user_E * held.n_items + held.item_E)


def hit_matrix(item_UK: Int64, held: Histories) -> npt.NDArray[np.bool_]:
    """Return whether the item at each rank is held out for its user; a missing rank (-1) is not.

    Args:
        item_UK: Item codes, best first, -1 where a list is shorter.
        held: Held-out interactions, rows aligned with `item_UK`; a repeated pair is one relevant item.

    Raises:
        ValueError: The rows do not fit.
    """
    if len(item_UK) != held.n_users:
        raise ValueError(f"{len(item_UK)} lists for {held.n_users} users")
    hit_UK = np.zeros(item_UK.shape, dtype=np.bool_)
    key_E = _pair_keys(held)
    if not len(key_E):
        return hit_UK
    step = max(1, BLOCK_CELLS // max(1, item_UK.shape[1]))
    for low in range(0, len(item_UK), step):
        item_BK = item_UK[low : low + step]
        key_BK = np.arange(low, low + len(item_BK), dtype=np.int64)[:, None] * held.n_items + item_BK
        place_BK = np.minimum(np.searchsorted(key_E, key_BK), len(key_E) - 1)
        hit_UK[low : low + step] = (key_E[place_BK] == key_BK) & (item_BK >= 0)
    return hit_UK


def evaluate_ranking(
    item_UK: Int64, held: Histories, metrics: Mapping[str, RankingMetric], ks: Sequence[int]
) -> RankingScores:
    """Return the value of each metric at each k for every user who has a held-out item.

    A user with held-out items but an empty list scores 0; one without held-out items is not evaluated.

    Args:
        item_UK: Item codes, best first, at least `max(ks)` columns.
        held: Held-out interactions, rows aligned with `item_UK`.
        metrics: Metrics by name.
        ks: Cut-offs.

    Raises:
        ConfigError: A cut-off is below 1 or beyond the lists.
        PluginError: A metric returns something else than one finite float64 per user.
        ValueError: The rows do not fit.
    """
    for k in ks:
        if not 1 <= k <= item_UK.shape[1]:
            raise ConfigError(f"k={k}: lists have {item_UK.shape[1]} ranks, so k is 1 to {item_UK.shape[1]}")
    n_relevant_U = np.bincount(_pair_keys(held) // max(held.n_items, 1), minlength=held.n_users)
    user_V = np.flatnonzero(n_relevant_U).astype(np.int64)
    n_relevant_V = n_relevant_U[user_V].astype(np.int64)
    hit_VK = hit_matrix(item_UK, held)[user_V]
    names = tuple((name, k) for name in metrics for k in ks)
    value_VM = np.empty((len(user_V), len(names)))
    for column, (name, k) in enumerate(names):
        value_VM[:, column] = _checked(name, metrics[name].per_user(hit_VK, n_relevant_V, k), len(user_V))
    return RankingScores(user_V, n_relevant_V, names, value_VM)


def _checked(name: str, value_V: Float64, n_users: int) -> Float64:
    if not isinstance(value_V, np.ndarray) or value_V.shape != (n_users,) or value_V.dtype != np.float64:
        got = f"{value_V.dtype}{value_V.shape}" if isinstance(value_V, np.ndarray) else type(value_V).__name__
        raise PluginError(f"metric '{name}' returned {got}, expected float64({n_users},)")
    if not np.isfinite(value_V).all():
        raise PluginError(f"metric '{name}' returned a value that is not finite")
    return value_V


def evaluate_catalogue(
    item_UK: Int64,
    train: Histories,
    metrics: Mapping[str, CatalogueMetric],
    ks: Sequence[int],
) -> pl.DataFrame:
    """Return the metrics of all lists together: metric, k, value, n (lists that hold an item).

    Args:
        item_UK: Item codes, best first, of the users to count, at least `max(ks)` columns.
        train: Training interactions of all users.
        metrics: Metrics by name.
        ks: Cut-offs.
    """
    import polars as pl

    train_count_I = np.bincount(train.item_E, minlength=train.n_items).astype(np.int64)
    n_train_users = int(np.count_nonzero(train.length_U))
    n_lists = int(np.count_nonzero((item_UK[:, :1] >= 0).any(axis=1)))
    rows = [
        (name, k, float(metric.value(item_UK, train_count_I, n_train_users, k)), n_lists)
        for name, metric in metrics.items()
        for k in ks
    ]
    schema = {"metric": pl.String, "k": pl.UInt32, "value": pl.Float64, "n": pl.UInt64}
    return pl.DataFrame(rows, schema=schema, orient="row")
