"""The NDCG of sparse scores on rows held out of training, for choices that an encoder makes by itself.

U users, I items, S sparse columns, B users of a block, K list length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from reccli.api.component import Context
from reccli.api.data import Histories, TrainingData
from reccli.nn.held_out import hold_out

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Trial", "trial"]

BLOCK = 256
Scores = Callable[[int, int], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Trial:
    """Some users of a holdout inside the training part.

    Args:
        kept: What is left of training, all users.
        seen: The same, of the users tried.
        relevant: What was held out of them.
        user_B: Their codes.
    """

    kept: Histories
    seen: Histories
    relevant: Histories
    user_B: npt.NDArray[np.int64]

    def ndcg(self, user_BS: csr_matrix, item_IS: csr_matrix, k: int = 20) -> float:
        """Return the mean NDCG@k of sparse products."""
        turned_SI = item_IS.T.tocsr()
        return self.of_scores(lambda low, high: (user_BS[low:high] @ turned_SI).toarray(), k=k)[0]

    def of_scores(
        self, scores: Scores, scales: Sequence[npt.NDArray[np.float32] | None] = (None,), k: int = 20
    ) -> list[float]:
        """Return the mean NDCG@k of scores, once for each scale of the items.

        Args:
            scores: Gives the scores BI of a block of users, asked for by the first row and one after the last.
            scales: What the scores of each item are multiplied by; None for nothing.
            k: Cut-off.
        """
        total_W = np.zeros(len(scales))
        for low in range(0, len(self.user_B), BLOCK):
            rows = np.arange(low, min(low + BLOCK, len(self.user_B)))
            score_BI = torch.from_numpy(np.require(scores(low, int(rows[-1]) + 1), np.float32, ["C", "W"]))
            known = self.seen.rows(rows)
            known_E = torch.from_numpy(known.user_E), torch.from_numpy(known.item_E)
            for number, scale_I in enumerate(scales):
                scaled_BI = score_BI.clone() if scale_I is None else score_BI * torch.from_numpy(scale_I)
                scaled_BI[known_E] = -torch.inf
                total_W[number] += self._gain(scaled_BI.topk(min(k, self.kept.n_items), dim=1).indices.numpy(), rows, k)
        return [float(total) for total in total_W / max(len(self.user_B), 1)]

    def _gain(self, top_BK: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], k: int) -> float:
        discount_K = 1.0 / np.log2(np.arange(2, k + 2))
        wanted = self.relevant.rows(rows)
        key_E = np.unique(wanted.user_E * self.kept.n_items + wanted.item_E)
        hit_BK = np.isin(np.arange(len(rows))[:, None] * self.kept.n_items + top_BK, key_E)
        ideal_B = np.cumsum(discount_K)[np.minimum(np.maximum(wanted.length_U, 1), k) - 1]
        return float((hit_BK @ discount_K[: top_BK.shape[1]] / ideal_B).sum())


def trial(data: TrainingData, context: Context, name: str, *, users: int) -> Trial | None:
    """Hold a tenth of the training rows out (the newest where there is an order); None where nothing can be held out.

    Args:
        data: Training data.
        context: Draws the rows and the users.
        name: Of the consumer of these draws.
        users: At most so many users are tried.
    """
    kept, held = hold_out(data, 0.1, context.numpy_generator(f"{name} held out"))
    user_B = np.flatnonzero((held.length_U > 0) & (kept.length_U > 0))
    if not len(user_B):
        return None
    if len(user_B) > users:
        user_B = np.sort(context.numpy_generator(f"{name} users").choice(user_B, users, replace=False))
    return Trial(kept, kept.rows(user_B), held.rows(user_B), user_B)
