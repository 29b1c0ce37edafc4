"""Mixed negative sampling as a plugin of reccli. B batch rows, M uniform draws, N = B + M negatives, I items."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from reccli.api import ComponentSettings, Context, Negatives, Sampler, TrainingData
from reccli.errors import DataError

__all__ = ["MixedNegatives"]


class MixedNegatives(Sampler):
    """Share the batch's own items and uniform draws as negatives, so that rare items are met as well.

    ::

        q_i = (B p_i + M u) / (B + M),     p_i = c_i / sum over j of c_j,     u = 1 / (items with interactions)

    with `c_i` the training interactions of item i, B the batch's rows and M the uniform draws. `log_q_N` holds `log
    q_i`, the chance that a negative picked from the mixture is item i, for the logQ correction of a loss.

    Args:
        settings.count: Uniform draws M that join each batch; from a quarter of to twice the batch size.

    Shapes:
        item_B -> shared_N and log_q_N with N = B + M.

    Raises:
        DataError: There are no training interactions.

    Notes:
        The paper draws the uniform part from the whole corpus; here from the items seen in training, since pushing the
        others away teaches nothing about them. The mixture's weights follow each batch's own size.

    Paper:
        Yang, Yi, Cheng, Hong, Li, Wang, Xu, Chi: Mixed Negative Sampling for Learning Two-tower Neural Networks in
        Recommendations, WWW 2020 companion, https://doi.org/10.1145/3366424.3386195.

    Pairs well with:
        `infonce` with `log_q`.

    Example:
        >>> import torch
        >>> from reccli.api import Context, Histories, TrainingData
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1, 1], [0, 1, 1, 2], n_users=2, n_items=4))
        >>> sampler = MixedNegatives(MixedNegatives.Settings(count=2))
        >>> sampler.setup(data, Context())
        >>> got = sampler.sample(torch.tensor([0]), torch.tensor([1]), torch.Generator().manual_seed(0))
        >>> len(got.shared_N), round(float(got.log_q_N[0].exp()), 3)
        (3, 0.389)
    """

    class Settings(ComponentSettings):
        """Settings of `mixed-negatives`."""

        count: int = Field(default=512, ge=1)
        """Uniform draws that join the items of each batch."""

    def setup(self, data: TrainingData, context: Context) -> None:
        """Note which items have interactions, and their shares."""
        count_I = torch.from_numpy(data.item_count_I())
        self._seen_S = count_I.nonzero().squeeze(1)
        if not len(self._seen_S):
            raise DataError("there are no training interactions to draw negatives from")
        self._share_I = count_I.double() / count_I.sum()

    def sample(self, user_B: Tensor, item_B: Tensor, generator: torch.Generator) -> Negatives:
        """Draw the uniform part and put it behind the batch's items."""
        batch, drawn, seen = len(item_B), self.settings.count, len(self._seen_S)
        uniform_M = self._seen_S[torch.randint(seen, (drawn,), generator=generator)]
        shared_N = torch.cat([item_B.cpu(), uniform_M])
        q_N = (batch * self._share_I[shared_N] + drawn / seen) / (batch + drawn)
        return Negatives(shared_N=shared_N.to(item_B.device), log_q_N=q_N.log().float().to(item_B.device))
