"""The slow, sure half of the search: scores in float64, ties settled by item code at every rank and at the boundary.

B users of a block, C candidates, J candidates of a block, K list length, D embedding.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from reccli.retrieval.candidates import Candidates

__all__ = ["best_first", "exact_top_k", "select_top"]

BYTES_PER_SCORE = 24  # float64, float32, and what the tie pass needs


def exact_top_k(
    user_BD: torch.Tensor, user_B: npt.NDArray[np.int64], found: Candidates, k: int, max_bytes: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return columns and scores of the k best candidates by (score descending, column ascending).

    The score is the dot product in float64, rounded to float32: what does not differ there is a tie.

    Args:
        user_BD: User vectors on the device.
        user_B: Their rows in `found.seen`.
        found: The candidates.
        k: List length.
        max_bytes: Bound of the working memory.

    Shapes:
        column (B, k) int64, -1 where there are fewer candidates; score (B, k) float32, minus infinity there.
    """
    item_bytes = 8 * max(1, user_BD.shape[1])
    width = max(1, min(len(found), max_bytes // (BYTES_PER_SCORE * 64), max_bytes // item_bytes))
    height = max(1, max_bytes // (BYTES_PER_SCORE * width))
    columns, scores = [], []
    for low in range(0, len(user_B), height):
        user_bD = user_BD[low : low + height].double()
        column_bK = torch.full((len(user_bD), k), -1, dtype=torch.int64, device=user_BD.device)
        score_bK = torch.full((len(user_bD), k), -torch.inf, dtype=torch.float32, device=user_BD.device)
        for first in range(0, len(found), width):
            score_bJ = (user_bD @ found.item_CD[first : first + width].double().T).float()
            found.mask_seen(score_bJ, user_B[low : low + height], first)
            new_column, new_score = select_top(score_bJ, k)
            # Columns of later blocks are higher, so a stable sort keeps ties in order.
            score_bK, column_bK = best_first(
                torch.cat([score_bK, new_score], 1),
                torch.cat([column_bK, torch.where(new_column < 0, -1, new_column + first)], 1),
                k,
            )
        columns.append(column_bK)
        scores.append(score_bK)
    return torch.cat(columns), torch.cat(scores)


def select_top(score_BJ: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Columns and values of the k largest per row, ties by column; -1 and minus infinity where there are fewer."""
    n_columns = score_BJ.shape[1]
    size = min(k, n_columns)
    value_BS, column_BS = score_BJ.topk(size, dim=1)
    boundary_B1 = value_BS[:, -1:]
    # topk picks any of the values tied at the boundary: take those above it, then the lowest columns that tie.
    above_BS = value_BS > boundary_B1
    key_BJ = torch.where(score_BJ == boundary_B1, n_columns - torch.arange(n_columns, device=score_BJ.device), 0)
    key_BS = key_BJ.topk(size, dim=1).values
    tied_BS = (key_BS > 0) & (boundary_B1 > -torch.inf)
    score = torch.cat(
        [torch.where(above_BS, value_BS, -torch.inf), torch.where(tied_BS, boundary_B1, -torch.inf)], dim=1
    )
    column = torch.cat([column_BS, n_columns - key_BS], dim=1)
    column = torch.where(score > -torch.inf, column, n_columns)
    ascending = column.argsort(dim=1)
    score_BK, column_BK = best_first(score.gather(1, ascending), column.gather(1, ascending), k)
    return torch.where(score_BK > -torch.inf, column_BK, -1), score_BK


def best_first(score_BS: torch.Tensor, column_BS: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Sort by score, keeping the order of ties, and cut or pad to k: scores, columns."""
    score_BS, order = score_BS.sort(dim=1, descending=True, stable=True)
    column_BS = column_BS.gather(1, order)
    missing = k - score_BS.shape[1]
    if missing > 0:
        score_BS = torch.nn.functional.pad(score_BS, (0, missing), value=-torch.inf)
        column_BS = torch.nn.functional.pad(column_BS, (0, missing), value=-1)
    return score_BS[:, :k], column_BS[:, :k]
