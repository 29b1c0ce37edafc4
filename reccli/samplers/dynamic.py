"""Hard negatives by the current scores. B batch rows, P items of the pool, N negatives of a row, S items seen."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from reccli.api import ComponentSettings, Context, Negatives, Range, Sampler, TrainingData
from reccli.errors import DataError

__all__ = ["Dynamic"]


class Dynamic(Sampler):
    """Draw a pool for each batch; a row keeps those of it that the model now ranks highest, and some at random.

    ::

        pool     P draws, q_i = c_i^alpha / sum over j of c_j^alpha
        own_b    the round(share * count) of the pool with the highest score for user b that are no known positives,
                 and count - round(share * count) further draws whatever their score

    with `c_i` the training interactions of item i and `alpha` the exponent.

    Args:
        settings.pool: Candidates P of a batch; 64 to 4096. The larger, the harder the negatives.
        settings.count: Negatives of each row; 1 to 64.
        settings.share: Share of them that is hard; 0.25 to 1.
        settings.alpha: Exponent of the counts in the draws; 0 is uniform over the items seen.

    Shapes:
        item_B -> shared_N (the pool), of which the training model makes own_BN with N = count.

    Raises:
        DataError: There are no training interactions.

    Notes:
        In the paper each row has a pool of its own; here the batch shares one, whose scores are one matrix product.
        Of a pool a row that knows all but a few gets those few, and the rest is masked. There are no proposal
        probabilities, so a loss cannot correct for them. The very hardest negatives are often positives to come: some
        random ones, and a pool that is much smaller than the catalogue, keep them in check.

    Paper:
        Zhang, Chen, Wang, Yu: Optimizing Top-N Collaborative Filtering via Dynamic Negative Item Sampling, SIGIR 2013,
        https://doi.org/10.1145/2484028.2484126, section 3.

    Pairs well with:
        `bpr`, `triplet`, `warp`; `infonce` with few negatives.

    Example:
        >>> from reccli.api import Histories
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1], [0, 2, 2], n_users=2, n_items=4))
        >>> sampler = Dynamic(Dynamic.Settings(pool=10, count=4, share=0.5))
        >>> sampler.setup(data, Context())
        >>> row = torch.tensor([0])
        >>> got = sampler.sample(row, row, torch.Generator().manual_seed(0))
        >>> len(got.shared_N), got.hardest, got.kept
        (12, 2, 2)
    """

    gives_log_q = False

    class Settings(ComponentSettings):
        """Settings of `dynamic`."""

        pool: int = Field(default=512, ge=1)
        """Candidates of a batch, whose scores decide."""
        count: int = Field(default=16, ge=1)
        """Negatives of each row."""
        share: Annotated[float, Range(0.0, 1.0)] = Field(default=0.5, ge=0, le=1)
        """Share of them with the highest scores; the others are random."""
        alpha: float = Field(default=0.0, ge=0, le=4)
        """Exponent of the counts in the draws: 0 is uniform, 1 proportional to popularity."""

    def setup(self, data: TrainingData, context: Context) -> None:
        """Build the cumulative distribution over the items that have training interactions."""
        count_I = torch.from_numpy(data.item_count_I())
        self._seen_S = count_I.nonzero().squeeze(1)
        if not len(self._seen_S):
            raise DataError("there are no training interactions to draw negatives from")
        weight_S = count_I[self._seen_S].double() ** self.settings.alpha
        self._cumulative_S = (weight_S / weight_S.sum()).cumsum(0)
        self._cumulative_S[-1] = 1.0  # rounding may leave it below a draw, which would then point past the end

    def sample(self, user_B: Tensor, item_B: Tensor, generator: torch.Generator) -> Negatives:
        """Draw the random ones, and behind them the pool."""
        hard = round(self.settings.share * self.settings.count)
        kept = self.settings.count - hard
        size = kept + (self.settings.pool if hard else 0)
        draw_P = torch.rand(size, generator=generator, dtype=torch.float64)
        code_P = self._seen_S[torch.searchsorted(self._cumulative_S, draw_P, right=True)].to(item_B.device)
        return Negatives(shared_N=code_P, hardest=hard, kept=kept)
