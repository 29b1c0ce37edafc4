"""Which rows share users: a graph of the strongest neighbours. U users, R rows (items or texts), E edges, A anchors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["NeighbourGraph", "incidence", "neighbour_graph"]

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
BLOCK_CELLS = 20_000_000


@dataclass(frozen=True, slots=True)
class NeighbourGraph:
    """The strongest neighbours of each row, CSR.

    Args:
        offset_R1: Where each row's neighbours begin.
        target_E: The neighbours, strongest first within a row.
        weight_E: Their weights, above 0.
    """

    offset_R1: Int64
    target_E: Int64
    weight_E: Float64

    @property
    def n_rows(self) -> int:
        """Rows, those without neighbours too."""
        return len(self.offset_R1) - 1

    @property
    def degree_R(self) -> Int64:
        """Neighbours of each row."""
        return np.diff(self.offset_R1)

    @property
    def source_E(self) -> Int64:
        """The row of each edge."""
        return np.repeat(np.arange(self.n_rows, dtype=np.int64), self.degree_R)

    def draw(self, anchor_A: Int64, generator: np.random.Generator) -> Int64:
        """Return one neighbour of each anchor, drawn in proportion to weight; anchors must have neighbours."""
        total_E1 = np.concatenate([[0.0], np.cumsum(self.weight_E)])
        low_A, high_A = total_E1[self.offset_R1[anchor_A]], total_E1[self.offset_R1[anchor_A + 1]]
        place_A = (
            np.searchsorted(total_E1, low_A + generator.random(len(anchor_A)) * (high_A - low_A), side="right") - 1
        )
        drawn_A: Int64 = self.target_E[np.clip(place_A, self.offset_R1[anchor_A], self.offset_R1[anchor_A + 1] - 1)]
        return drawn_A

    def keys(self) -> Int64:
        """Return every edge in both directions as `row * R + row`, sorted, for look-ups."""
        source_E = self.source_E
        both = [source_E * self.n_rows + self.target_E, self.target_E * self.n_rows + source_E]
        return np.unique(np.concatenate(both))


def incidence(histories: Histories, row_I: Int64, n_rows: int) -> csr_matrix:
    """Return who has met which row, U x R with ones; items of one row (one text) are one, items of row -1 none."""
    from scipy.sparse import csr_matrix

    row_E = row_I[histories.item_E]
    known_E = row_E >= 0
    pair = np.unique(histories.user_E[known_E] * n_rows + row_E[known_E])
    shape = (histories.n_users, n_rows)
    return csr_matrix((np.ones(len(pair), np.float32), (pair // max(n_rows, 1), pair % max(n_rows, 1))), shape=shape)


def neighbour_graph(
    matrix_UR: csr_matrix,
    *,
    k: int,
    user_power: float = 0.5,
    shrink: float = 0.0,
    among_R: npt.NDArray[np.bool_] | None = None,
) -> NeighbourGraph:
    """Return for each row the k others that share most users with it.

    ::

        w_ij = n_ij / (n_ij + shrink) * sum over users u of both  d_u^(-2 p) / (d_i d_j)^(1/2)

    with `n_ij` the users of both, `d` the degrees and `p` the `user_power`; for p = 0 the sum is the cosine of two
    columns of the incidence matrix.

    Args:
        matrix_UR: Who has met which row, ones.
        k: Neighbours of a row at most.
        user_power: How much less users with long histories count, 0 to 0.5.
        shrink: Shared users at which a weight is halved; 0 for none.
        among_R: Rows that may be neighbours; all without it.
    """
    from scipy.sparse import diags_array

    n_rows = matrix_UR.shape[1]
    degree_U = np.maximum(np.asarray(matrix_UR.sum(1)).ravel(), 1.0)
    degree_R = np.maximum(np.asarray(matrix_UR.sum(0)).ravel(), 1.0)
    scaled: Any = (diags_array(degree_U**-user_power) @ matrix_UR @ diags_array(degree_R**-0.5)).tocsc()
    plain: Any = matrix_UR.tocsc()
    allowed = np.ones(n_rows) if among_R is None else among_R.astype(np.float64)
    right, plain_right = (scaled @ diags_array(allowed)).tocsr(), (plain @ diags_array(allowed)).tocsr()
    right.eliminate_zeros()
    plain_right.eliminate_zeros()
    block = max(1, BLOCK_CELLS // max(n_rows, 1))
    degrees, targets, weights = [], [], []
    for start in range(0, n_rows, block):
        stop = min(start + block, n_rows)
        found = _product(scaled[:, start:stop], right)
        weight_E = np.asarray(found.data, np.float64)
        if shrink:  # of the same pattern, and in the same order
            count_E = np.asarray(_product(plain[:, start:stop], plain_right).data, np.float64)
            weight_E = weight_E * count_E / (count_E + shrink)
        degree, target, weight = _strongest(found.row, found.col, weight_E, start, stop - start, k)
        degrees.append(degree)
        targets.append(target)
        weights.append(weight)
    offset_R1 = np.concatenate([[0], np.cumsum(np.concatenate([*degrees, np.zeros(0, np.int64)]))]).astype(np.int64)
    none = np.zeros(0)
    return NeighbourGraph(
        offset_R1, np.concatenate([*targets, none]).astype(np.int64), np.concatenate([*weights, none])
    )


def _product(left: Any, right: Any) -> Any:
    found = (left.T @ right).tocsr()
    found.sort_indices()
    return found.tocoo()


def _strongest(
    row_E: Int64, column_E: Int64, weight_E: Float64, start: int, n_rows: int, k: int
) -> tuple[Int64, Int64, Float64]:
    """Return the degree of each row of a block, and its k strongest targets with their weights; ties by code."""
    real_E = (column_E != row_E + start) & (weight_E > 0)
    row_E, column_E, weight_E = row_E[real_E], column_E[real_E], weight_E[real_E]
    order_E = np.lexsort((column_E, -weight_E, row_E))
    row_E, column_E, weight_E = row_E[order_E], column_E[order_E], weight_E[order_E]
    begin_R = np.searchsorted(row_E, np.arange(n_rows))
    kept_E = np.arange(len(row_E)) - begin_R[row_E] < k
    return np.bincount(row_E[kept_E], minlength=n_rows), column_E[kept_E], weight_E[kept_E]
