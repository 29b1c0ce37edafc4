"""Exact top-k where vectors have a sparse part: the sparse products of a block of users, added to the dense ones.

The order is that of `reccli.retrieval.topk`: scores are computed in float64 and rounded to float32, ties go by item
code. A float32 product of the dense parts proposes items; rows for which it cannot be certain are scored in float64
as a whole. The sparse part is always multiplied in float64, on the CPU.

U users, C candidates, K list length, S proposed items, B users of a block, D dense numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from reccli.api import Histories, MixedVectors
from reccli.errors import DamagedArtifactError
from reccli.retrieval.candidates import Candidates, candidates
from reccli.retrieval.exact import best_first, select_top
from reccli.retrieval.ranks import Ranks

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["search_mixed"]

SLACK = 8
BYTES_PER_SCORE = 48  # scores, the sparse product as a whole, and what settling ties needs
MOST_ROWS = 1024
COLUMNS = 8192  # of items turned to float64 at a time


@dataclass(frozen=True, slots=True)
class _Block:
    """Some users: dense vectors on the device, the sparse product with all candidates, rows in the masks."""

    dense_BD: torch.Tensor
    product_BC: csr_matrix
    norm_B: torch.Tensor
    user_B: npt.NDArray[np.int64]

    def rows(self, place_b: npt.NDArray[np.int64]) -> _Block:
        index_b = torch.from_numpy(place_b).to(self.dense_BD.device)
        return _Block(self.dense_BD[index_b], self.product_BC[place_b], self.norm_B[place_b], self.user_B[place_b])

    def sparse(self, dtype: torch.dtype) -> torch.Tensor:
        return torch.from_numpy(self.product_BC.toarray()).to(self.dense_BD.device, dtype)


@torch.inference_mode()
def search_mixed(
    user: MixedVectors,
    item: MixedVectors,
    *,
    k: int,
    seen: Histories | None,
    allowed_I: npt.NDArray[np.bool_] | None,
    pairs: Histories | None,
    max_bytes: int,
    device: str | torch.device,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], Ranks | None]:
    """Return the items, scores and ranks that `search` returns, for vectors with a sparse part.

    Raises:
        DamagedArtifactError: A vector is not finite, or scores overflow float32.
    """
    _check_finite(user, item)
    found = candidates(item.dense_ND, seen=seen, allowed_I=allowed_I, device=device)
    code_C = found.code_C.cpu().numpy()
    turned_SC = item.sparse_NS[code_C].astype(np.float64).T.tocsr()
    norm_U = user.norms()
    largest = float(item.norms()[code_C].max(initial=0.0))
    if norm_U.max(initial=0.0) * largest > np.finfo(np.float32).max:
        raise DamagedArtifactError("products of user and item vectors overflow float32", hint="reccli finetune --force")
    item_UK = np.full((len(user), k), -1, dtype=np.int64)
    score_UK = np.full((len(user), k), -np.inf, dtype=np.float32)
    ranks = None if pairs is None else Ranks.empty(len(pairs), len(user))
    height = max(1, min(MOST_ROWS, max_bytes // (BYTES_PER_SCORE * max(1, len(code_C)))))
    for low in range(0, len(user) if len(code_C) else 0, height):
        some = slice(low, min(low + height, len(user)))
        block = _Block(
            torch.from_numpy(np.require(user.dense_ND[some], np.float32, ["C", "W"])).to(device),
            (user.sparse_NS[some].astype(np.float64) @ turned_SC).tocsr(),
            torch.from_numpy(norm_U[some]),
            np.arange(some.start, some.stop),
        )
        column_BK, score_BK, score_BC = _best(block, found, k, largest)
        item_UK[some] = torch.where(column_BK < 0, -1, found.code_C[column_BK.clamp(min=0)]).cpu().numpy()
        score_UK[some] = score_BK.cpu().numpy()
        if ranks is not None and pairs is not None:
            ranks.fill(score_BC, pairs, found.column_I, some.start, some.stop)
    return item_UK, score_UK, ranks


def _best(block: _Block, found: Candidates, k: int, largest: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return columns and scores of the best candidates, and the masked block of scores."""
    if not block.dense_BD.shape[1]:
        score_BC = _exact_scores(block, found)
        column_BK, score_BK = select_top(score_BC, k)
        return column_BK, score_BK, score_BC
    with torch.autocast(block.dense_BD.device.type, enabled=False):
        score_BC = block.dense_BD @ found.item_CD.T
    score_BC += block.sparse(torch.float32)
    found.mask_seen(score_BC, block.user_B)
    value_BS, column_BS = score_BC.topk(min(k + SLACK, len(found)), dim=1)
    column_BS = torch.where(value_BS > -torch.inf, column_BS, -1).sort(dim=1).values
    score_BK, column_BK = best_first(_score_anew(block, found, column_BS), column_BS, k)
    # As in `topk`: a bound of the float32 product's rounding, the sparse part and its sum with the dense one included.
    roundoff = 2.0**-24 if torch.get_float32_matmul_precision() == "highest" else 2.0**-8
    width = block.dense_BD.shape[1] + 4
    margin_B = (width * (roundoff * block.norm_B * largest + 2.0**-149)).to(value_BS.device)
    lowest_B = value_BS.amin(dim=1)
    certain_B = (lowest_B == -torch.inf) | (lowest_B + margin_B < score_BK[:, -1])
    again = np.flatnonzero(~certain_B.cpu().numpy())
    if len(again):
        place_b = torch.from_numpy(again).to(score_BK.device)
        some = block.rows(again)
        column_BK[place_b], score_BK[place_b] = select_top(_exact_scores(some, found), k)
    return column_BK, score_BK, score_BC


def _score_anew(block: _Block, found: Candidates, column_BS: torch.Tensor) -> torch.Tensor:
    """Scores of each user with its own proposed items in float64, rounded to float32."""
    column = column_BS.clamp(min=0)
    score_BS = torch.empty(column.shape, dtype=torch.float64, device=column.device)
    for row in range(0, len(column), 64):
        item_bSD = found.item_CD[column[row : row + 64]].double()
        score_BS[row : row + 64] = torch.einsum("bsd,bd->bs", item_bSD, block.dense_BD[row : row + 64].double())
    place = column.cpu().numpy()
    rows = np.repeat(np.arange(len(place)), place.shape[1])
    sparse_BS = np.asarray(block.product_BC[rows, place.ravel()]).reshape(place.shape)
    score_BS += torch.from_numpy(sparse_BS).to(score_BS.device)
    return torch.where(column_BS < 0, -torch.inf, score_BS.float())


def _exact_scores(block: _Block, found: Candidates) -> torch.Tensor:
    """Scores with all candidates in float64, rounded to float32 and masked."""
    score_BC = block.sparse(torch.float64)
    user_BD = block.dense_BD.double()
    for first in range(0, len(found) if user_BD.shape[1] else 0, COLUMNS):
        score_BC[:, first : first + COLUMNS] += user_BD @ found.item_CD[first : first + COLUMNS].double().T
    rounded_BC = score_BC.float()
    found.mask_seen(rounded_BC, block.user_B)
    return rounded_BC


def _check_finite(user: MixedVectors, item: MixedVectors) -> None:
    for what, vectors in (("user", user), ("item", item)):
        if not vectors.finite:
            bad_N = ~np.isfinite(vectors.norms())
            raise DamagedArtifactError(
                f"{int(bad_N.sum())} of {len(vectors)} {what} vectors are not finite, the first one is {what} "
                f"{int(bad_N.argmax())}",
                hint="reccli finetune --force",
            )
