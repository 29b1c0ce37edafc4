"""The batch's own positives and further draws together. B batch rows, M draws, N = B + M negatives, S items seen."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from reccli.api import Choices, ComponentSettings, Context, Negatives, Range, Sampler, TrainingData
from reccli.errors import DataError

__all__ = ["Mixed"]


class Mixed(Sampler):
    """Share the batch's own items, mostly popular ones, and draws that reach the rare ones, as negatives.

    ::

        q_i = (B p_i + M u_i) / (B + M)
        p_i = c_i / sum over j of c_j,     u_i = c_i^alpha / sum over j of c_j^alpha

    with `c_i` the training interactions of item i, B the batch's rows, M the draws (u = 0 where c = 0) and `alpha` the
    exponent: 0 draws evenly from the items seen. `log_q_N` is the logarithm of `q_i`, the chance that a negative picked
    from the mixture is item i.

    Args:
        settings.count: Draws M that join each batch; a quarter of the batch size to twice as many.
        settings.alpha: Exponent of the counts in the draws; 0 to 0.75.

    Shapes:
        item_B -> shared_N and log_q_N with N = B + M.

    Raises:
        DataError: There are no training interactions.

    Notes:
        Items that nobody has met are not drawn; the plugin `reccli-mixed-negatives` draws from the whole catalogue, as
        the paper does, for encoders that give such items vectors. The mixture's weights follow each batch's own size.

    Paper:
        Yang, Yi, Cheng, Hong, Li, Wang, Xu, Chi: Mixed Negative Sampling for Learning Two-tower Neural Networks in
        Recommendations, WWW 2020 companion, https://doi.org/10.1145/3366424.3386195, section 3.

    Pairs well with:
        `infonce` with `log_q`.

    Example:
        >>> from reccli.api import Histories
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1, 1], [0, 1, 1, 2], n_users=2, n_items=4))
        >>> sampler = Mixed(Mixed.Settings(count=2))
        >>> sampler.setup(data, Context())
        >>> got = sampler.sample(torch.tensor([0]), torch.tensor([1]), torch.Generator().manual_seed(0))
        >>> len(got.shared_N), round(float(got.log_q_N[0].exp()), 3)
        (3, 0.389)
    """

    class Settings(ComponentSettings):
        """Settings of `mixed`."""

        count: Annotated[int, Choices((256, 512, 1024, 2048, 4096))] = Field(default=1024, ge=1)
        """Draws that join the items of each batch."""
        alpha: Annotated[float, Range(0.0, 1.0)] = Field(default=0.0, ge=0, le=4)
        """Exponent of the counts in those draws: 0 is uniform, 1 proportional to popularity."""

    def setup(self, data: TrainingData, context: Context) -> None:
        """Note the items' shares, and build the cumulative distribution of the draws."""
        count_I = torch.from_numpy(data.item_count_I()).double()
        if not count_I.sum():
            raise DataError("there are no training interactions to draw negatives from")
        self._share_I = count_I / count_I.sum()
        weight_I = torch.where(count_I > 0, count_I**self.settings.alpha, 0.0)
        self._drawn_I = weight_I / weight_I.sum()
        self._seen_S = count_I.nonzero().squeeze(1)
        self._cumulative_S = self._drawn_I[self._seen_S].cumsum(0)
        self._cumulative_S[-1] = 1.0  # rounding may leave it below a draw, which would then point past the end

    def sample(self, user_B: Tensor, item_B: Tensor, generator: torch.Generator) -> Negatives:
        """Draw, and put the draws behind the batch's items."""
        batch, count = len(item_B), self.settings.count
        draw_M = torch.rand(count, generator=generator, dtype=torch.float64)
        code_M = self._seen_S[torch.searchsorted(self._cumulative_S, draw_M, right=True)]
        shared_N = torch.cat([item_B.cpu(), code_M])
        q_N = (batch * self._share_I[shared_N] + count * self._drawn_I[shared_N]) / (batch + count)
        return Negatives(shared_N=shared_N.to(item_B.device), log_q_N=q_N.log().float().to(item_B.device))
