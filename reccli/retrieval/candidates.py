"""The items that may be recommended, and the known ones that each user must not be shown again.

U users, I items of the catalogue, C candidates (items that may be shown, by code), B users of a block, J candidates
of a block, E interactions, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from reccli.api import Histories
from reccli.errors import DamagedArtifactError, ReccliError

__all__ = ["Candidates", "Vectors", "candidates", "finite_norms"]

Vectors = npt.NDArray[np.float32] | torch.Tensor
NORM_ROWS = 2048  # the float64 copy stays in the cache


@dataclass(frozen=True)
class Candidates:
    """Candidate vectors on the device, with the way back to item codes.

    Args:
        item_CD: Vectors of the candidates, float32, on the device.
        code_C: Item code of each candidate, ascending, on the device.
        column_I: Candidate column of each item, -1 where it may not be shown.
        largest_norm: Largest Euclidean norm among the candidates.
        seen: What each user must not be shown again, or None.
    """

    item_CD: torch.Tensor
    code_C: torch.Tensor
    column_I: npt.NDArray[np.int64]
    largest_norm: float
    seen: Histories | None

    def __len__(self) -> int:
        return len(self.code_C)

    def mask_seen(self, score_BJ: torch.Tensor, user_B: npt.NDArray[np.int64], first: int = 0) -> None:
        """Set the scores of seen items to minus infinity, in place.

        Args:
            score_BJ: Scores of the candidates `first` to `first + J`, contiguous.
            user_B: Row of `seen` for each row of scores.
            first: First candidate column of the block.
        """
        if self.seen is None or not len(user_B):
            return
        width = score_BJ.shape[1]
        length_B = self.seen.length_U[user_B]
        start_B = np.cumsum(length_B) - length_B
        index_E = np.repeat(self.seen.offset_U1[user_B] - start_B, length_B) + np.arange(length_B.sum())
        column_E = self.column_I[self.seen.item_E[index_E]] - first
        flat_E = np.repeat(np.arange(len(user_B)) * width, length_B) + column_E
        inside_E = (column_E >= 0) & (column_E < width)
        place_E = torch.from_numpy(flat_E[inside_E]).to(score_BJ.device)
        score_BJ.view(-1).index_fill_(0, place_E, -torch.inf)


def candidates(
    item_ID: Vectors,
    *,
    seen: Histories | None,
    allowed_I: npt.NDArray[np.bool_] | None,
    device: str | torch.device,
) -> Candidates:
    """Check the item vectors, keep the allowed ones and move them to the device.

    Raises:
        DamagedArtifactError: A vector is not finite.
        ValueError: `allowed_I` or `seen` is of another catalogue.
    """
    n_items = len(item_ID)
    if allowed_I is not None and len(allowed_I) != n_items:
        raise ValueError(f"the mask of allowed items has {len(allowed_I)} entries for {n_items} items")
    if seen is not None and seen.n_items != n_items:
        raise ValueError(f"the seen items are of a catalogue of {seen.n_items}, the vectors of {n_items}")
    item = as_tensor(item_ID)
    norm_I = finite_norms(item, "item")
    if allowed_I is None:
        code = np.arange(n_items, dtype=np.int64)
        column = code
    else:
        code = np.flatnonzero(allowed_I).astype(np.int64)
        column = np.full(n_items, -1, dtype=np.int64)
        column[code] = np.arange(len(code))
        item, norm_I = item[torch.from_numpy(code)], norm_I[torch.from_numpy(code)]
    largest = float(norm_I.max()) if len(code) else 0.0
    return Candidates(item.to(device).contiguous(), torch.from_numpy(code).to(device), column, largest, seen)


def as_tensor(vector_ND: Vectors) -> torch.Tensor:
    """Return the vectors as a float32 tensor, without a copy where it can be."""
    if isinstance(vector_ND, torch.Tensor):
        return vector_ND.detach().float()
    # torch warns of read-only memory (a Parquet column, say), so such arrays are copied.
    return torch.from_numpy(np.require(vector_ND, dtype=np.float32, requirements=["C", "W"]))


def finite_norms(
    vector_ND: torch.Tensor, what: str, *, error: type[ReccliError] = DamagedArtifactError
) -> torch.Tensor:
    """Return the Euclidean norm of each row, float64.

    Args:
        vector_ND: Vectors.
        what: `user` or `item`, for the message.
        error: What a row that is not finite raises: `PluginError` suits vectors that come fresh from a component.

    Raises:
        ReccliError: A row is not finite; the message names the first one.
    """
    parts = [torch.linalg.vector_norm(part, dim=1, dtype=torch.float64) for part in torch.split(vector_ND, NORM_ROWS)]
    norm_N = torch.cat(parts)
    bad_N = ~torch.isfinite(norm_N)
    if bad_N.any():
        first = int(bad_N.nonzero()[0])
        raise error(
            f"{int(bad_N.sum())} of {len(norm_N)} {what} vectors are not finite, the first one is {what} {first}",
            hint="reccli finetune --force",
        )
    return norm_N
