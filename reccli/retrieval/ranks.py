"""Where given items stand in a user's full ranking: the counts that AUC and full ranks are made of.

B users of a block, C candidates, E pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from reccli.api import Histories

__all__ = ["Ranks", "count_ranks"]

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ranks:
    """The place of each pair's item among its user's candidates.

    Args:
        above_E: Candidates with a higher score; -1 where the item is no candidate (seen, or not allowed).
        tied_E: Other candidates with the same score; -1 likewise.
        candidates_U: Candidates of each user.
    """

    above_E: Int64
    tied_E: Int64
    candidates_U: Int64

    @classmethod
    def empty(cls, n_pairs: int, n_users: int) -> Ranks:
        """Return ranks of pairs that no block has filled in yet: none is a candidate."""
        none_E = np.full(n_pairs, -1, dtype=np.int64)
        return cls(none_E, none_E.copy(), np.zeros(n_users, dtype=np.int64))

    def fill(self, score_BC: torch.Tensor, pairs: Histories, column_I: Int64, low: int, high: int) -> None:
        """Count for the users `low` to `high - 1`, whose scores (used up) are given whole.

        Args:
            score_BC: Scores of all candidates, minus infinity where an item is no candidate of a user.
            pairs: All pairs.
            column_I: Candidate column of each item, -1 where it is none.
            low: First user of the block.
            high: One after the last.
        """
        begin, end = pairs.offset_U1[low], pairs.offset_U1[high]
        row_E = np.repeat(np.arange(high - low), pairs.length_U[low:high])
        column_E = column_I[pairs.item_E[begin:end]]
        device = score_BC.device
        block = count_ranks(score_BC, torch.from_numpy(row_E).to(device), torch.from_numpy(column_E).to(device))
        self.above_E[begin:end] = block.above_E
        self.tied_E[begin:end] = block.tied_E
        self.candidates_U[low:high] = block.candidates_U


def count_ranks(score_BC: torch.Tensor, row_E: torch.Tensor, column_E: torch.Tensor) -> Ranks:
    """Count candidates above and level with some entries of a block. **The block is used up**: it may come back sorted.

    Args:
        score_BC: Scores, minus infinity where an item is no candidate of a user.
        row_E: Row of each pair.
        column_E: Column of each pair, -1 where its item is never a candidate.
    """
    value_E = torch.where(column_E >= 0, score_BC[row_E, column_E.clamp(min=0)], -torch.inf)
    # NumPy sorts float32 with vector instructions, several times faster than torch on a CPU; both share the memory.
    if score_BC.device.type == "cpu":
        score_BC.numpy().sort(axis=1)
        ascending_BC = score_BC
    else:
        ascending_BC = score_BC.sort(dim=1).values
    n_columns = score_BC.shape[1]
    lower_E = _position(ascending_BC, row_E, value_E, right=False)
    upper_E = _position(ascending_BC, row_E, value_E, right=True)
    row_B = torch.arange(len(score_BC), device=score_BC.device)
    barred_B = _position(ascending_BC, row_B, torch.full_like(row_B, -torch.inf, dtype=score_BC.dtype), right=True)
    known_E = value_E > -torch.inf
    return Ranks(
        torch.where(known_E, n_columns - upper_E, -1).cpu().numpy(),
        torch.where(known_E, upper_E - lower_E - 1, -1).cpu().numpy(),
        (n_columns - barred_B).cpu().numpy(),
    )


def _position(ascending_BC: torch.Tensor, row_E: torch.Tensor, value_E: torch.Tensor, *, right: bool) -> torch.Tensor:
    """Binary search of each value in its own row: the first place not below it (`right`: above it)."""
    n_columns = ascending_BC.shape[1]
    low_E, high_E = torch.zeros_like(row_E), torch.full_like(row_E, n_columns)
    for _ in range(n_columns.bit_length()):
        middle_E = (low_E + high_E) // 2
        entry_E = ascending_BC[row_E, middle_E.clamp(max=n_columns - 1)]
        go_right_E = (entry_E <= value_E) if right else (entry_E < value_E)
        open_E = low_E < high_E
        low_E = torch.where(open_E & go_right_E, middle_E + 1, low_E)
        high_E = torch.where(open_E & ~go_right_E, middle_E, high_E)
    return low_E
