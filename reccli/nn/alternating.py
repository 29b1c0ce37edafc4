"""Weighted least squares by alternating exact solves: what is observed counts more than what is not.

U rows solved for (users, say), I rows held fixed (items), R factors, E interactions, B rows of a block, L row length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reccli.api.data import Histories
from reccli.errors import DivergedError

__all__ = ["Objective", "Rows", "Side", "factorise", "side_of", "solve"]

MOST_NUMBERS = 1 << 20
"""Numbers of a block, rows times length times factors: what a cache holds."""
SPREAD = 1.25
"""How much longer than the shortest row of a block the longest may be, besides 1: what padding may cost."""
HINT = "raise encoder.l2, or encoder.unobserved"


@dataclass(frozen=True)
class Objective:
    """What is minimised.

    ::

        sum over observed (u, i) of c_ui (1 - x_u . y_i)^2 + a sum over all u, i of (x_u . y_i)^2
            + sum over u of l_u |x_u|^2 + sum over i of l_i |y_i|^2

        l_u = l f_u^v / mean f^v    with f_u = sum of c_ui over u's row + a I, of items likewise; the mean is over both

    Args:
        unobserved: a, the weight of each pair, beside an observed one's of 1: 0.01 to 1.
        l2: l, the mean penalty: 1 to 30.
        power: v, how much more a row with much weight is held back: 0 (all alike) to 1.
    """

    unobserved: float
    l2: float
    power: float


class Rows(NamedTuple):
    """A sparse matrix by rows.

    Args:
        offset_U1: Where each row begins in the others, and the end of the last.
        column_E: Column of each entry.
        weight_E: Weight c of each entry.
        n_columns: Number of columns.
    """

    offset_U1: Tensor
    column_E: Tensor
    weight_E: Tensor
    n_columns: int

    @staticmethod
    def of(histories: Histories, device: torch.device | str = "cpu") -> Rows:
        """Return the histories, rows of items."""
        parts = (histories.offset_U1, histories.item_E.astype(np.int64), histories.weight_E.astype(np.float32))
        offset_U1, item_E, weight_E = (torch.from_numpy(part).to(device) for part in parts)
        return Rows(offset_U1, item_E, weight_E, histories.n_items)

    @property
    def length_U(self) -> Tensor:
        """Entries of each row."""
        return self.offset_U1.diff()

    def turned(self) -> Rows:
        """Return the transpose."""
        order_E = self.column_E.argsort(stable=True)
        row_E = torch.repeat_interleave(self.length_U)
        count_I = torch.bincount(self.column_E, minlength=self.n_columns)
        offset_I1 = torch.cat([count_I.new_zeros(1), count_I.cumsum(0)])
        return Rows(offset_I1, row_E[order_E], self.weight_E[order_E], len(self.length_U))

    def mass(self, unobserved: float) -> Tensor:
        """Return the weight of each row, unobserved pairs among it, f of `Objective`, U float64."""
        row_E = torch.repeat_interleave(self.length_U)
        summed_U = torch.zeros(len(self.length_U), dtype=torch.float64, device=row_E.device)
        return summed_U.index_add_(0, row_E, self.weight_E.double()) + unobserved * self.n_columns


class Side(NamedTuple):
    """Vectors held fixed, turned so that those of all pairs do not mix.

    Args:
        vector_IR: The vectors.
        gram_R: a times the sum of the squares of each column; products of two columns sum to 0.
    """

    vector_IR: Tensor
    gram_R: Tensor


def side_of(vector_IR: Tensor, unobserved: float) -> Side:
    """Turn vectors into the axes of their Gram matrix, which leaves all their dot products as they are.

    Raises:
        DivergedError: Their products are beyond the numbers of their type.
    """
    square_RR = (vector_IR.T @ vector_IR).double()
    if not square_RR.isfinite().all():
        raise DivergedError("alternating least squares: vectors grow without bound", hint=HINT)
    square_R, turn_RR = torch.linalg.eigh(square_RR)
    gram_R = unobserved * square_R.clamp_min(0)
    return Side(vector_IR @ turn_RR.to(vector_IR.dtype), gram_R.to(vector_IR.dtype))


def solve(rows: Rows, side: Side, penalty_U: Tensor) -> Tensor:
    r"""Return for each row the vector that is best beside the fixed ones, UR; zeros for rows without entries.

    ::

        x = argmin sum over the row of c_i (1 - x . y_i)^2 + a sum over all i of (x . y_i)^2 + l |x|^2
          = (D + Y^T C Y)^(-1) Y^T C 1  =  D^(-1) Y^T C^(1/2) (1 + C^(1/2) Y D^(-1) Y^T C^(1/2))^(-1) C^(1/2) 1

    with `Y` the vectors of the row's entries and `D = gram + l`, diagonal. The second form costs L^2 R + L^3 / 3, so
    that rows shorter than the vectors need no R x R matrix; both are exact. Rows whose penalty is lost in the rounding
    of the vectors' type, so that their system has no Cholesky factor, are solved in float64.

    Args:
        rows: U rows over the I fixed vectors.
        side: Those.
        penalty_U: Penalty l of each row, above 0.

    Raises:
        DivergedError: A row has no solution in float64 either.
    """
    found_UR, failed_U = _solved(rows, side, penalty_U, rows.length_U)
    if not failed_U.any():
        return found_UR
    double = Side(side.vector_IR.double(), side.gram_R.double())
    exact_UR, still_U = _solved(rows, double, penalty_U, rows.length_U * failed_U)
    if still_U.any():
        raise DivergedError(
            f"alternating least squares: {int(still_U.sum())} of {len(still_U)} systems have no solution", hint=HINT
        )
    return torch.where(failed_U[:, None], exact_UR.to(found_UR.dtype), found_UR)


def _solved(rows: Rows, side: Side, penalty_U: Tensor, length_U: Tensor) -> tuple[Tensor, Tensor]:
    """Return the vectors of rows of length above 0, UR, and where that failed, U; on the device, without waiting."""
    found_UR = side.vector_IR.new_zeros(len(length_U), side.vector_IR.shape[1])
    info_U = torch.zeros(len(length_U), dtype=torch.int32, device=found_UR.device)
    for row_B, length in _blocks(length_U.cpu().numpy(), found_UR.shape[1]):
        row = torch.from_numpy(row_B).to(found_UR.device)
        place_BL = torch.arange(length, device=found_UR.device).expand(len(row), -1)
        is_there_BL = place_BL < rows.length_U[row][:, None]
        entry_BL = torch.where(is_there_BL, place_BL + rows.offset_U1[row][:, None], 0)
        root_BL1 = (rows.weight_E[entry_BL].to(found_UR.dtype) * is_there_BL).sqrt()[..., None]
        vector_BLR = side.vector_IR.index_select(0, rows.column_E[entry_BL].flatten()).view(*entry_BL.shape, -1)
        diagonal_BR = side.gram_R + penalty_U[row][:, None].to(found_UR.dtype)
        best = _short if length <= found_UR.shape[1] else _long
        found_UR[row], info_U[row] = best(vector_BLR, root_BL1, diagonal_BR)
    return found_UR, (info_U != 0) | ~found_UR.sum(1).isfinite()


def _short(vector_BLR: Tensor, root_BL1: Tensor, diagonal_BR: Tensor) -> tuple[Tensor, Tensor]:
    scale_BR = diagonal_BR.rsqrt()
    scaled_BLR = vector_BLR.mul_(scale_BR[:, None])
    inner_BLL = (scaled_BLR @ scaled_BLR.mT).mul_(root_BL1).mul_(root_BL1.mT)
    inner_BLL.diagonal(dim1=1, dim2=2).add_(1.0)
    factor_BLL, info_B = torch.linalg.cholesky_ex(inner_BLL)
    pull_BL1 = torch.cholesky_solve(root_BL1, factor_BLL).mul_(root_BL1)
    return (scaled_BLR.mT @ pull_BL1)[..., 0].mul_(scale_BR), info_B


def _long(vector_BLR: Tensor, root_BL1: Tensor, diagonal_BR: Tensor) -> tuple[Tensor, Tensor]:
    weighted_BLR = vector_BLR.mul_(root_BL1)
    inner_BRR = weighted_BLR.mT @ weighted_BLR
    inner_BRR.diagonal(dim1=1, dim2=2).add_(diagonal_BR)
    factor_BRR, info_B = torch.linalg.cholesky_ex(inner_BRR)
    return torch.cholesky_solve(weighted_BLR.mT @ root_BL1, factor_BRR)[..., 0], info_B


def factorise(rows: Rows, item_IR: Tensor, objective: Objective) -> Iterator[tuple[Side, float]]:
    """Sweep over users and items without end; yield, after each sweep, the items and the factor of users' penalties.

    Args:
        rows: Users' rows over items.
        item_IR: Where items start.
        objective: What is minimised; no sweep makes it larger.

    Yields:
        Items' vectors as the fixed side of `solve`, and l / mean f^v, by which f_u^v is multiplied.
    """
    turned = rows.turned()
    mass_U, mass_I = (side.mass(objective.unobserved) ** objective.power for side in (rows, turned))
    factor = float(objective.l2 / torch.cat([mass_U, mass_I]).mean())  # inf where nothing weighs anything
    side = side_of(item_IR, objective.unobserved)
    while True:
        user_UR = solve(rows, side, factor * mass_U)
        item_IR = solve(turned, side_of(user_UR, objective.unobserved), factor * mass_I)
        side = side_of(item_IR, objective.unobserved)
        yield side, factor


def _blocks(length_U: npt.NDArray[np.int64], factors: int) -> Iterator[tuple[npt.NDArray[np.int64], int]]:
    """Yield rows of about one length, and the length of the longest; rows without entries are left out."""
    row_U = np.argsort(length_U, kind="stable")
    row_U = row_U[length_U[row_U] > 0]
    sorted_U, low = length_U[row_U], 0
    while low < len(row_U):
        high = int(np.searchsorted(sorted_U, sorted_U[low] * SPREAD + 1, side="right"))
        high = min(high, low + max(1, MOST_NUMBERS // (factors * int(sorted_U[low]))))
        yield row_U[low:high], int(sorted_U[high - 1])
        low = high
