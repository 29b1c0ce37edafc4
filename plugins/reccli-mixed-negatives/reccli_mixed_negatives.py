"""Mixed negative sampling as a plugin of reccli. B batch rows, M uniform draws, N = B + M negatives, I items."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from reccli.api import ComponentSettings, Context, Negatives, Sampler, TrainingData
from reccli.errors import DataError

__all__ = ["MixedNegatives"]


class MixedNegatives(Sampler):
    """Share the batch's own items and uniform draws from the whole catalogue as negatives, new items among them.

    ::

        q_i = (B p_i + M u) / (B + M),     p_i = c_i / sum over j of c_j,     u = 1 / (items)

    with `c_i` the training interactions of item i, B the batch's rows and M the uniform draws. `log_q_N` holds `log
    q_i`, the chance that a negative picked from the mixture is item i, for the logQ correction of a loss.

    Args:
        settings.count: Uniform draws M that join each batch; from a quarter of to twice the batch size.
        settings.cold: Draw from the whole catalogue; if not, from the items with interactions, and u is of those.

    Shapes:
        item_B -> shared_N and log_q_N with N = B + M.

    Raises:
        DataError: There are no training interactions.

    Notes:
        An encoder over texts gives items vectors that nobody has met yet. In training they are never positives, and
        unless they are drawn as negatives nothing says where they must not stand. For an encoder over ids they have no
        vectors worth the name, and the built-in sampler `mixed` leaves them out. The mixture's weights follow each
        batch's own size.

    Paper:
        Yang, Yi, Cheng, Hong, Li, Wang, Xu, Chi: Mixed Negative Sampling for Learning Two-tower Neural Networks in
        Recommendations, WWW 2020 companion, https://doi.org/10.1145/3366424.3386195.

    Pairs well with:
        `infonce` with `log_q`; encoders over texts, as `bert`.

    Example:
        >>> import torch
        >>> from reccli.api import Context, Histories, TrainingData
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1, 1], [0, 1, 1, 2], n_users=2, n_items=4))
        >>> sampler = MixedNegatives(MixedNegatives.Settings(count=2))
        >>> sampler.setup(data, Context())
        >>> got = sampler.sample(torch.tensor([0]), torch.tensor([1]), torch.Generator().manual_seed(0))
        >>> len(got.shared_N), round(float(got.log_q_N[0].exp()), 3)
        (3, 0.333)
    """

    class Settings(ComponentSettings):
        """Settings of `mixed-negatives`."""

        count: int = Field(default=512, ge=1)
        """Uniform draws that join the items of each batch."""
        cold: bool = True
        """Draw from the whole catalogue, with the items that nobody has met."""

    def setup(self, data: TrainingData, context: Context) -> None:
        """Note what is drawn from, and the shares of the interactions."""
        count_I = torch.from_numpy(data.item_count_I())
        if not count_I.sum():
            raise DataError("there are no training interactions to draw negatives from")
        self._drawn_S = torch.arange(len(count_I)) if self.settings.cold else count_I.nonzero().squeeze(1)
        self._share_I = count_I.double() / count_I.sum()

    def sample(self, user_B: Tensor, item_B: Tensor, generator: torch.Generator) -> Negatives:
        """Draw the uniform part and put it behind the batch's items."""
        batch, drawn, among = len(item_B), self.settings.count, len(self._drawn_S)
        uniform_M = self._drawn_S[torch.randint(among, (drawn,), generator=generator)]
        shared_N = torch.cat([item_B.cpu(), uniform_M])
        q_N = (batch * self._share_I[shared_N] + drawn / among) / (batch + drawn)
        return Negatives(shared_N=shared_N.to(item_B.device), log_q_N=q_N.log().float().to(item_B.device))
