"""Negatives by popularity. B batch rows, N negatives, S items seen in training."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from reccli.api import Choices, ComponentSettings, Context, Negatives, Range, Sampler, TrainingData
from reccli.errors import DataError

__all__ = ["Popularity"]


class Popularity(Sampler):
    """Draw negatives with probability proportional to a power of their popularity, with replacement.

    ::

        q_i = c_i^alpha / sum over j of c_j^alpha

    with `c_i` the training interactions of item i and `alpha` the exponent: 0 is uniform over the items seen, 1 is what
    a batch's own positives are drawn from.

    Args:
        settings.alpha: The exponent; 0.5 to 1.
        settings.count: Negatives that the whole batch shares; 256 to 8192.
        settings.own: If above 0, negatives for each row of its own instead; 1 to 100.

    Shapes:
        item_B -> shared_N and log_q_N, or own_BN.

    Raises:
        DataError: There are no training interactions.

    Notes:
        Drawn by inverting the cumulative distribution in float64 with a binary search.

    Paper:
        Mikolov, Sutskever, Chen, Corrado, Dean: Distributed Representations of Words and Phrases and their
        Compositionality, NeurIPS 2013, https://arxiv.org/abs/1310.4546, section 2.2 (alpha 0.75).

    Pairs well with:
        `infonce` with `log_q`, `bpr`, `bce`.

    Example:
        >>> import torch
        >>> from reccli.api import Context, Histories, TrainingData
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1], [0, 2, 2], n_users=2, n_items=4))
        >>> sampler = Popularity(Popularity.Settings(alpha=1.0, count=3))
        >>> sampler.setup(data, Context())
        >>> row = torch.tensor([0])
        >>> sampler.sample(row, row, torch.Generator().manual_seed(0)).shared_N.shape
        torch.Size([3])
    """

    class Settings(ComponentSettings):
        """Settings of `popularity`."""

        alpha: Annotated[float, Range(0.0, 1.0)] = Field(default=0.75, ge=0, le=4)
        """Exponent of the counts: 0 is uniform, 1 proportional to popularity."""
        count: Annotated[int, Choices((256, 512, 1024, 2048, 4096))] = Field(default=1024, ge=1)
        """Negatives that all rows of a batch share."""
        own: int = Field(default=0, ge=0)
        """If above 0, each row gets so many negatives of its own instead."""

    def __init__(self, settings: ComponentSettings | None = None) -> None:
        super().__init__(settings)
        self.gives_log_q = not self.settings.own

    def setup(self, data: TrainingData, context: Context) -> None:
        """Build the cumulative distribution over the items that have training interactions."""
        count_I = torch.from_numpy(data.item_count_I())
        self._seen_S = count_I.nonzero().squeeze(1)
        if not len(self._seen_S):
            raise DataError("there are no training interactions to draw negatives from")
        weight_S = count_I[self._seen_S].double() ** self.settings.alpha
        probability_S = weight_S / weight_S.sum()
        self._log_q_S = probability_S.log().float()
        self._cumulative_S = probability_S.cumsum(0)
        self._cumulative_S[-1] = 1.0  # rounding may leave it below a draw, which would then point past the end

    def sample(self, user_B: Tensor, item_B: Tensor, generator: torch.Generator) -> Negatives:
        """Draw shared or own negatives."""
        shape = (len(item_B), self.settings.own) if self.settings.own else (self.settings.count,)
        draw = torch.rand(shape, generator=generator, dtype=torch.float64)
        place = torch.searchsorted(self._cumulative_S, draw, right=True)
        code = self._seen_S[place].to(item_B.device)
        if self.settings.own:
            return Negatives(own_BN=code)
        return Negatives(shared_N=code, log_q_N=self._log_q_S[place].to(item_B.device))
