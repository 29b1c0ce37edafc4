"""Exact top-k of dot products, block by block.

A float32 matrix product proposes k items and a few more per user. Their scores are then computed again in float64 and
rounded to float32, so that they depend neither on the device nor on how the work was cut, and equal vectors get equal
scores. A bound on the product's rounding error tells for which users an item that was not proposed could still belong
to the list (ties above all); only these are searched again in float64.

U users, I items, C candidates, K list length, S proposed items, B users of a block, J candidates of a block, D
embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from reccli.api import Histories, MixedVectors
from reccli.errors import ConfigError, DamagedArtifactError
from reccli.retrieval.candidates import Candidates, Vectors, as_tensor, candidates, finite_norms
from reccli.retrieval.exact import best_first, exact_top_k
from reccli.retrieval.mixed import search_mixed
from reccli.retrieval.ranks import Ranks

__all__ = ["MAX_BYTES", "Found", "rank_of", "search", "top_k"]

Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]

MAX_BYTES = 256 * 2**20
CPU_BYTES = 32 * 2**20  # a CPU is as fast with blocks that fit its caches, from 8 MiB up; a GPU wants large ones
SLACK = 8  # items proposed beyond k
FEWEST_ROWS = 256  # a matrix product of fewer rows is slow: rather cut the candidates
MOST_ROWS = 4096
CACHE_BYTES = 16 * 2**20  # gathered vectors that outgrow the cache take three times as long


@dataclass(frozen=True, slots=True)
class Found:
    """The best items of each user.

    Args:
        item_UK: Item codes, best first, ties by code, -1 where a user has fewer candidates.
        score_UK: Dot products, minus infinity there.
        ranks: Places of the pairs asked for, or None.
    """

    item_UK: Int64
    score_UK: Float32
    ranks: Ranks | None = None


def top_k(
    user_UD: Vectors | MixedVectors,
    item_ID: Vectors | MixedVectors,
    *,
    k: int,
    seen: Histories | None = None,
    allowed_I: npt.NDArray[np.bool_] | None = None,
    max_bytes: int = MAX_BYTES,
    device: str | torch.device = "cpu",
) -> tuple[Int64, Float32]:
    """Return the k best items of each user and their scores: `search` without ranks."""
    found = search(user_UD, item_ID, k=k, seen=seen, allowed_I=allowed_I, max_bytes=max_bytes, device=device)
    return found.item_UK, found.score_UK


def rank_of(
    user_UD: Vectors | MixedVectors,
    item_ID: Vectors | MixedVectors,
    pairs: Histories,
    *,
    seen: Histories | None = None,
    allowed_I: npt.NDArray[np.bool_] | None = None,
    max_bytes: int = MAX_BYTES,
    device: str | torch.device = "cpu",
) -> Ranks:
    """Return the place of each pair in its user's full ranking: `search` for those who need no lists."""
    found = search(
        user_UD, item_ID, k=1, seen=seen, allowed_I=allowed_I, pairs=pairs, max_bytes=max_bytes, device=device
    )
    if found.ranks is None:
        raise RuntimeError("search left the ranks out")
    return found.ranks


@torch.inference_mode()
def search(
    user_UD: Vectors | MixedVectors,
    item_ID: Vectors | MixedVectors,
    *,
    k: int,
    seen: Histories | None = None,
    allowed_I: npt.NDArray[np.bool_] | None = None,
    pairs: Histories | None = None,
    max_bytes: int = MAX_BYTES,
    device: str | torch.device = "cpu",
) -> Found:
    """Return the k best items of each user by (score descending, item code ascending), and the ranks of some pairs.

    The list for a smaller k is the beginning of the list for a larger one. Lists and their scores are those of dot
    products in float64 rounded to float32; ranks are counted on the scores of the float32 matrix product.

    Args:
        user_UD: User vectors, one row for each list to make.
        item_ID: Vectors of the whole catalogue.
        k: List length, at least 1.
        seen: Rows aligned with `user_UD`: items that the user must not be shown.
        allowed_I: Which items may be shown; None: all.
        pairs: Rows aligned with `user_UD`: items whose place to count. Costs about a tenth more time.
        max_bytes: Bound of the block of scores. The search never holds users x items, and takes about twice this
            besides the vectors. On a CPU no more than 32 MiB are used, unless ranks ask for whole rows.
        device: Where to compute.

    Raises:
        ConfigError: k is below 1.
        DamagedArtifactError: A vector is not finite, scores overflow float32, or the two kinds differ in length.
        ValueError: The shapes of the masks do not fit the vectors.
    """
    n_users = len(user_UD)
    _check_sizes(user_UD, item_ID, k, seen, pairs)
    if isinstance(user_UD, MixedVectors) and isinstance(item_ID, MixedVectors):
        options = {"seen": seen, "allowed_I": allowed_I, "pairs": pairs, "max_bytes": max_bytes, "device": device}
        return Found(*search_mixed(user_UD, item_ID, k=k, **options))  # type: ignore[arg-type]
    if isinstance(user_UD, MixedVectors) or isinstance(item_ID, MixedVectors):
        raise ValueError("only one of user and item vectors has a sparse part")
    found = candidates(item_ID, seen=seen, allowed_I=allowed_I, device=device)
    user = as_tensor(user_UD)
    norm_U = finite_norms(user, "user")
    if n_users and float(norm_U.max()) * found.largest_norm > torch.finfo(torch.float32).max:
        raise DamagedArtifactError("products of user and item vectors overflow float32", hint="reccli finetune --force")
    lists = _Lists(np.full((n_users, k), -1, dtype=np.int64), np.full((n_users, k), -np.inf, dtype=np.float32))
    ranks = None if pairs is None else Ranks.empty(len(pairs), n_users)
    if pairs is None and torch.device(device).type == "cpu":
        max_bytes = min(max_bytes, CPU_BYTES)
    height, width = _block_shape(n_users, len(found), max_bytes, whole_rows=pairs is not None)
    buffer = torch.empty(height * width, dtype=torch.float32, device=device)
    size = min(k + SLACK, len(found))
    again = [np.empty(0, dtype=np.int64)]  # users to search in float64
    for low in range(0, n_users if len(found) else 0, height):
        high = min(low + height, n_users)
        user_BD = user[low:high].to(device)
        proposed = _propose(user_BD, found, size, buffer, width, low)
        if pairs is not None and ranks is not None:
            ranks.fill(proposed.last_block, pairs, found.column_I, low, high)
        if 4 * size > len(found):  # scoring the proposed items one by one would cost more than scoring all
            again.append(np.arange(low, high))
            continue
        column_BK, score_BK, certain_B = _settle(user_BD, norm_U[low:high].to(device), found, proposed, k, max_bytes)
        lists.fill(np.arange(low, high), column_BK, score_BK, found)
        again.append(low + np.flatnonzero(~certain_B.cpu().numpy()))
    for user_B in _portions(np.concatenate(again)):
        user_BD = user[torch.from_numpy(user_B).to(user.device)].to(device)
        lists.fill(user_B, *exact_top_k(user_BD, user_B, found, k, max_bytes), found)
    return Found(lists.item_UK, lists.score_UK, ranks)


def _check_sizes(
    user_UD: Vectors | MixedVectors,
    item_ID: Vectors | MixedVectors,
    k: int,
    seen: Histories | None,
    pairs: Histories | None,
) -> None:
    if k < 1:
        raise ConfigError(f"k={k}: must be at least 1")
    for name, rows in (("seen", seen), ("pairs", pairs)):
        if rows is not None and rows.n_users != len(user_UD):
            raise ValueError(f"{name} has {rows.n_users} rows for {len(user_UD)} users")
    if user_UD.shape[1] != item_ID.shape[1]:
        raise DamagedArtifactError(
            f"user vectors have {user_UD.shape[1]} numbers, item vectors {item_ID.shape[1]}",
            hint="reccli finetune --force",
        )


def _portions(user_E: Int64) -> list[Int64]:
    return [user_E[low : low + MOST_ROWS] for low in range(0, len(user_E), MOST_ROWS)]


@dataclass(frozen=True, slots=True)
class _Lists:
    item_UK: Int64
    score_UK: Float32

    def fill(self, user_B: Int64, column_BK: torch.Tensor, score_BK: torch.Tensor, found: Candidates) -> None:
        code_BK = torch.where(column_BK < 0, -1, found.code_C[column_BK.clamp(min=0)])
        self.item_UK[user_B] = code_BK.cpu().numpy()
        self.score_UK[user_B] = score_BK.cpu().numpy()


@dataclass(frozen=True, slots=True)
class _Proposed:
    column_BS: torch.Tensor
    """Candidate columns, in any order; masked ones included where a user has fewer candidates."""
    lowest_B: torch.Tensor
    """Lowest float32 score among them: nothing else of the row is above it."""
    last_block: torch.Tensor
    """The last block of scores, for ranks (the whole rows, when the candidates are not cut)."""


def _block_shape(n_users: int, n_candidates: int, max_bytes: int, *, whole_rows: bool) -> tuple[int, int]:
    cells = max(1, max_bytes // 4)
    width = n_candidates if whole_rows else max(1, min(n_candidates, cells // FEWEST_ROWS))
    height = max(1, min(n_users, cells // max(1, width), MOST_ROWS))
    return height, max(1, width)


def _propose(
    user_BD: torch.Tensor, found: Candidates, size: int, buffer: torch.Tensor, width: int, low: int
) -> _Proposed:
    rows = len(user_BD)
    user_B = np.arange(low, low + rows)
    value_BS = torch.empty((rows, 0), dtype=torch.float32, device=user_BD.device)
    column_BS = torch.empty((rows, 0), dtype=torch.int64, device=user_BD.device)
    score_BJ = value_BS
    for first in range(0, len(found), width):
        item_JD = found.item_CD[first : first + width]
        score_BJ = buffer[: rows * len(item_JD)].view(rows, len(item_JD))
        with torch.autocast(user_BD.device.type, enabled=False):
            torch.mm(user_BD, item_JD.T, out=score_BJ)
        found.mask_seen(score_BJ, user_B, first)
        new_value, new_column = score_BJ.topk(min(size, len(item_JD)), dim=1)
        value_BS = torch.cat([value_BS, new_value], dim=1)
        column_BS = torch.cat([column_BS, new_column + first], dim=1)
        if value_BS.shape[1] > size:
            value_BS, kept = value_BS.topk(size, dim=1)
            column_BS = column_BS.gather(1, kept)
    # A masked column must not come back by its rescored value.
    column_BS = torch.where(value_BS > -torch.inf, column_BS, -1)
    return _Proposed(column_BS, value_BS.amin(dim=1), score_BJ)


def _settle(
    user_BD: torch.Tensor, norm_B: torch.Tensor, found: Candidates, proposed: _Proposed, k: int, max_bytes: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Score the proposed items anew: columns, scores, and for which rows no other item can belong to the list."""
    column_BS = proposed.column_BS.sort(dim=1).values
    score_BS = _score_anew(user_BD, found.item_CD, column_BS, max_bytes)
    score_BK, column_BK = best_first(score_BS, column_BS, k)
    # |float32 dot - dot| <= D u |x| |y| with u the unit roundoff; two more for rounding the scores, and for underflow.
    roundoff = 2.0**-24 if torch.get_float32_matmul_precision() == "highest" else 2.0**-8
    margin_B = (user_BD.shape[1] + 2) * (roundoff * norm_B * found.largest_norm + 2.0**-149)
    certain_B = (proposed.lowest_B == -torch.inf) | (proposed.lowest_B + margin_B < score_BK[:, -1])
    return column_BK, score_BK, certain_B


def _score_anew(user_BD: torch.Tensor, item_CD: torch.Tensor, column_BS: torch.Tensor, max_bytes: int) -> torch.Tensor:
    """Dot products of each user with its own proposed items in float64, rounded to float32."""
    rows, size = column_BS.shape
    height = max(1, min(max_bytes, CACHE_BYTES) // (12 * size * max(1, user_BD.shape[1])))
    parts = []
    for low in range(0, rows, height):
        column_bS = column_BS[low : low + height]
        item_bSD = item_CD[column_bS.clamp(min=0)].double()
        score_bS = torch.bmm(item_bSD, user_BD[low : low + height].double().unsqueeze(2)).squeeze(2).float()
        parts.append(torch.where(column_bS < 0, -torch.inf, score_bS))
    return torch.cat(parts)
