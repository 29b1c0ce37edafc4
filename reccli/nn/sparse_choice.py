"""The NDCG of sparse scores on rows held out of training, for choices that an encoder makes by itself.

U users, I items, S sparse columns, B users of a block, K list length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
Variants = Callable[[int, int], Iterator[torch.Tensor]]


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

        def scaled(low: int, high: int) -> Iterator[torch.Tensor]:
            score_BI = torch.from_numpy(np.require(scores(low, high), np.float32, ["C", "W"]))
            for scale_I in scales:
                yield score_BI.clone() if scale_I is None else score_BI * torch.from_numpy(scale_I)

        return self.of_variants(scaled, len(scales), k)

    def of_variants(self, variants: Variants, number: int, k: int = 20) -> list[float]:
        """Return the mean NDCG@k of several scores of the same users.

        Args:
            variants: Yields for a block of users, asked for by the first row and one after the last, their scores BI
                of each variant; these are written into.
            number: How many it yields.
            k: Cut-off.
        """
        total_W = np.zeros(number)
        for low in range(0, len(self.user_B), BLOCK):
            rows = np.arange(low, min(low + BLOCK, len(self.user_B)))
            known = self.seen.rows(rows)
            known_E = torch.from_numpy(known.user_E), torch.from_numpy(known.item_E)
            for which, score_BI in enumerate(variants(low, int(rows[-1]) + 1)):
                score_BI[known_E] = -torch.inf
                total_W[which] += self._gain(score_BI.topk(min(k, self.kept.n_items), dim=1).indices.numpy(), rows, k)
        return [float(total) for total in total_W / max(len(self.user_B), 1)]

    def _gain(self, top_BK: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], k: int) -> float:
        discount_K = 1.0 / np.log2(np.arange(2, k + 2))
        wanted = self.relevant.rows(rows)
        key_E = np.unique(wanted.user_E * self.kept.n_items + wanted.item_E)
        hit_BK = np.isin(np.arange(len(rows))[:, None] * self.kept.n_items + top_BK, key_E)
        ideal_B = np.cumsum(discount_K)[np.minimum(np.maximum(wanted.length_U, 1), k) - 1]
        return float((hit_BK @ discount_K[: top_BK.shape[1]] / ideal_B).sum())


def trial(data: TrainingData, context: Context, name: str, *, users: int, share: float = 0.1) -> Trial | None:
    """Hold a share of the training rows out (the newest where there is an order); None where nothing can be held out.

    Args:
        data: Training data.
        context: Draws the rows and the users.
        name: Of the consumer of these draws.
        users: At most so many users are tried.
        share: Of each user's rows that are held out.
    """
    kept, held = hold_out(data, share, context.numpy_generator(f"{name} held out"))
    user_B = np.flatnonzero((held.length_U > 0) & (kept.length_U > 0))
    if not len(user_B):
        return None
    if len(user_B) > users:
        user_B = np.sort(context.numpy_generator(f"{name} users").choice(user_B, users, replace=False))
    return Trial(kept, kept.rows(user_B), held.rows(user_B), user_B)
