"""Why an item is recommended: the history items whose stored vectors agree with it most.

U users, K list length, L longest history that is looked at, D embedding, B users of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories
from reccli.api.vectors import MixedVectors

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["reasons_for"]

LONGEST = 200
BLOCK_BYTES = 64 << 20
SHOWN = 2


def reasons_for(
    item_UK: npt.NDArray[np.int64],
    histories: Histories,
    item_ID: npt.NDArray[np.float32] | MixedVectors,
    titles: Sequence[str],
) -> npt.NDArray[np.object_]:
    """Return a text per recommendation, `because of A (.31), B (.22)`, or None where there is no history.

    The numbers are cosines of the item vectors, of both their parts where they have a sparse one. The newest `LONGEST`
    items of a history are looked at.

    Args:
        item_UK: Recommended item codes, -1 where a list is shorter.
        histories: Rows aligned with `item_UK`.
        item_ID: Item vectors.
        titles: Title of each item.
    """
    dense_ID, sparse_IS = _unit_rows(item_ID)
    n_users, k = item_UK.shape
    text_UK = np.full((n_users, k), None, dtype=np.object_)
    longest = int(min(LONGEST, histories.length_U.max(initial=0)))
    if longest == 0:
        return text_UK
    block = max(1, BLOCK_BYTES // (4 * max(1, dense_ID.shape[1]) * (longest + k)))
    for low in range(0, n_users, block):
        rows = np.arange(low, min(low + block, n_users))
        newest_BL = _newest(histories, rows, longest)
        agree_BKL = np.einsum(
            "bkd,bld->bkl", dense_ID[item_UK[rows].clip(min=0)], dense_ID[newest_BL.clip(min=0)], optimize=True
        )
        if sparse_IS is not None:
            for b, row in enumerate(rows):
                listed_KS, known_LS = sparse_IS[item_UK[row].clip(min=0)], sparse_IS[newest_BL[b].clip(min=0)]
                agree_BKL[b] += (listed_KS @ known_LS.T).toarray()
        agree_BKL[np.broadcast_to((newest_BL < 0)[:, None, :], agree_BKL.shape)] = -np.inf
        best_BKS = np.argsort(-agree_BKL, axis=2, kind="stable")[:, :, :SHOWN]
        value_BKS = np.take_along_axis(agree_BKL, best_BKS, axis=2)
        code_BKS = np.take_along_axis(np.broadcast_to(newest_BL[:, None, :], agree_BKL.shape), best_BKS, axis=2)
        for b, row in enumerate(rows):
            for j in range(k):
                if item_UK[row, j] >= 0 and np.isfinite(value_BKS[b, j, 0]):
                    text_UK[row, j] = _text(code_BKS[b, j], value_BKS[b, j], titles)
    return text_UK


def _unit_rows(
    item_ID: npt.NDArray[np.float32] | MixedVectors,
) -> tuple[npt.NDArray[np.float32], csr_matrix | None]:
    if not isinstance(item_ID, MixedVectors):
        norm_I1 = np.linalg.norm(item_ID, axis=1, keepdims=True)
        return item_ID / np.maximum(norm_I1, 1e-12), None
    from scipy.sparse import diags_array

    scale_I = (1.0 / np.maximum(item_ID.norms(), 1e-12)).astype(np.float32)
    return item_ID.dense_ND * scale_I[:, None], (diags_array(scale_I) @ item_ID.sparse_NS).tocsr()


def _newest(histories: Histories, rows: npt.NDArray[np.int64], longest: int) -> npt.NDArray[np.int64]:
    """Pad the newest items of some users to one width, -1 where there is none: BL."""
    end_B = histories.offset_U1[rows + 1]
    index_BL = end_B[:, None] - 1 - np.arange(longest)
    valid_BL = index_BL >= histories.offset_U1[rows][:, None]
    return np.where(valid_BL, histories.item_E[index_BL.clip(min=0)], -1)


def _text(code_S: npt.NDArray[np.int64], value_S: npt.NDArray[np.float32], titles: Sequence[str]) -> str:
    parts = [f"{titles[c]} ({v:.2f})" for c, v in zip(code_S, value_S, strict=True) if np.isfinite(v)]
    return "because of " + ", ".join(parts)
