"""Uniform negatives. B batch rows, N negatives."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from reccli.api import Choices, ComponentSettings, Context, Negatives, Sampler, TrainingData
from reccli.errors import DataError

__all__ = ["Uniform"]


class Uniform(Sampler):
    """Draw negatives with equal probability from the items seen in training, with replacement.

    ::

        q_i = 1 / (number of items with training interactions)

    Args:
        settings.count: Negatives that the whole batch shares; 256 to 8192.
        settings.own: If above 0, negatives for each row of its own instead; 1 to 100.

    Shapes:
        item_B -> shared_N and log_q_N, or own_BN.

    Raises:
        DataError: There are no training interactions.

    Notes:
        Shared negatives cost one matrix product for the whole batch, own ones a gather per row; the same arithmetic
        budget buys many more of the former. Items never seen in training are not drawn: pushing them away teaches
        nothing.

    Paper:
        Rendle et al.: BPR, UAI 2009, https://arxiv.org/abs/1205.2618, section 4.2 (own negatives).

    Pairs well with:
        `infonce`, `bpr`, `bce`.

    Example:
        >>> import torch
        >>> from reccli.api import Context, Histories, TrainingData
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1], [0, 2, 2], n_users=2, n_items=4))
        >>> sampler = Uniform(Uniform.Settings(count=5))
        >>> sampler.setup(data, Context())
        >>> row = torch.tensor([0])
        >>> sorted(set(sampler.sample(row, row, torch.Generator().manual_seed(0)).shared_N.tolist()))
        [0, 2]
    """

    class Settings(ComponentSettings):
        """Settings of `uniform`."""

        count: Annotated[int, Choices((256, 512, 1024, 2048, 4096))] = Field(default=1024, ge=1)
        """Negatives that all rows of a batch share."""
        own: int = Field(default=0, ge=0)
        """If above 0, each row gets so many negatives of its own instead."""

    def __init__(self, settings: ComponentSettings | None = None) -> None:
        super().__init__(settings)
        self.gives_log_q = not self.settings.own

    def setup(self, data: TrainingData, context: Context) -> None:
        """Note the items that have training interactions."""
        self._seen_S = torch.from_numpy(data.item_count_I()).nonzero().squeeze(1)
        if not len(self._seen_S):
            raise DataError("there are no training interactions to draw negatives from")

    def sample(self, user_B: Tensor, item_B: Tensor, generator: torch.Generator) -> Negatives:
        """Draw shared or own negatives."""
        seen = len(self._seen_S)
        shape = (len(item_B), self.settings.own) if self.settings.own else (self.settings.count,)
        code = self._seen_S[torch.randint(seen, shape, generator=generator)].to(item_B.device)
        if self.settings.own:
            return Negatives(own_BN=code)
        return Negatives(shared_N=code, log_q_N=torch.full(shape, -math.log(seen), device=item_B.device))
