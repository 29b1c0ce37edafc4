"""InfoNCE, also known as sampled softmax and NT-Xent. B batch rows, N negatives, P positions (the positive, then N)."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from reccli.api import ComponentSettings, Loss, LossInputs, LossOutput, Range
from reccli.errors import ConfigError
from reccli.nn.log_sum import log_sum_exp

__all__ = ["InfoNCE"]


class InfoNCE(Loss):
    """Pick a user's positive out of the positive and its negatives (contrastive cross-entropy).

    ::

        l_b = -s_b / t + log( exp(s_b / t) + sum over valid j of exp(s_bj / t - c_j) )

    with `s_b` the similarity of user and positive, `s_bj` that of user and negative j, `t` the temperature, and
    `c_j = log(N q_j)` with `log_q`, else 0. Known positives of the user among the negatives (false negatives) are left
    out; a row without a valid negative has loss 0.

    Args:
        settings.temperature: What similarities are divided by; 0.05 to 0.3 for cosines, about 1 for dot products.
        settings.log_q: Correct for how often the sampler proposes an item (`log_q_N`).

    Shapes:
        user_BD, positive_BD, negative_ND or negative_BND, known_BN, log_q_N -> value_B.

    Raises:
        ConfigError: `log_q` is on and the sampler gives no proposal probabilities.

    Notes:
        Sampled softmax with the logQ correction is this loss with `log_q`, with any sampler that gives probabilities;
        there is no other component for it. With `log_q` the sum over negatives is an unbiased estimate of the sum over
        the whole catalogue without the known items, so the loss approaches `softmax`. The positive is in the sum with
        certainty, not by a draw, and is not corrected (Yi et al. 2019 correct it as well).

    Paper:
        van den Oord, Li, Vinyals: Representation Learning with Contrastive Predictive Coding, 2018,
        https://arxiv.org/abs/1807.03748, equation 4. The correction: Yi et al., Sampling-Bias-Corrected Neural Modeling
        for Large Corpus Item Recommendations, RecSys 2019, https://doi.org/10.1145/3298689.3346996, section 3.

    Pairs well with:
        `in-batch`, and `uniform` or `popularity` where the catalogue is larger than the batch.

    Example:
        >>> import torch
        >>> from reccli.api import LossInputs, Similarity
        >>> one = torch.ones(2, 4)
        >>> inputs = LossInputs(one, one, Similarity("cosine"), torch.tensor([0, 1]), torch.ones(2), torch.ones(2),
        ...                     negative_ND=-one)
        >>> bool((InfoNCE()(inputs).value_B < 0.001).all())
        True
    """

    class Settings(ComponentSettings):
        """Settings of `infonce`."""

        temperature: Annotated[float, Range(0.05, 1.0, log=True)] = Field(default=0.2, gt=0)
        """What similarities are divided by: 0.05 to 0.3 for cosines, about 1 for dot products."""
        log_q: bool = False
        """Correct for how often the sampler proposes an item, so that popular items are not pushed away for it."""

    needs: ClassVar[frozenset[str]] = frozenset({"negatives"})
    uses_groups: ClassVar[bool] = True
    counts_negatives: ClassVar[bool] = True

    def compute(self, inputs: LossInputs) -> LossOutput:
        """Return each row's negative log probability of the positive."""
        positive_B = inputs.positive_score_B() / self.settings.temperature
        if inputs.negative_ND is not None:
            total_B = self._of_shared_B(inputs, inputs.negative_ND)
        else:
            if self.settings.log_q:
                self._correction_N(inputs)
            score_BN = inputs.negative_score_BN() / self.settings.temperature
            # A finite stand-in for minus infinity: where all are known, the gradient is 0, not NaN.
            lowest = torch.finfo(score_BN.dtype).min / 4
            if inputs.known_BN is not None:
                score_BN = score_BN.masked_fill(inputs.known_BN, lowest)
            total_B = score_BN.logsumexp(1) if score_BN.shape[1] else torch.full_like(positive_B, lowest)
        return LossOutput(functional.softplus(total_B - positive_B))

    def _of_shared_B(self, inputs: LossInputs, negative_ND: Tensor) -> Tensor:
        """Return the logarithm of the sum over negatives that all rows share, once for each distinct user."""
        groups, similarity, temperature = inputs.groups, inputs.similarity, self.settings.temperature
        user_RD, known_RN = (inputs.user_BD, inputs.known_BN) if groups is None else (groups.user_GD, groups.known_GN)
        shift_N = -self._correction_N(inputs) if self.settings.log_q else None
        if inputs.count_N is not None:
            log_count_N = inputs.count_N.to(user_RD.dtype).log()
            shift_N = log_count_N if shift_N is None else shift_N + log_count_N
        # Stored vectors give all products; what these lack of the similarity is constant for a user.
        user_scaled_RD = similarity.stored_users(user_RD) / temperature
        total_R: Tensor = log_sum_exp(user_scaled_RD, similarity.stored_items(negative_ND), shift_N, known_RN)
        total_R = total_R + similarity.user_offset_U(user_RD) / temperature
        return total_R if groups is None else total_R.index_select(0, groups.place_B)

    @staticmethod
    def _correction_N(inputs: LossInputs) -> Tensor:
        log_q_N = inputs.log_q_N
        if log_q_N is None:
            raise ConfigError(
                "loss.log_q=true: this sampler does not say how likely it proposes an item",
                hint="use --sampler popularity, uniform (shared negatives), mixed or in-batch, "
                "or --set loss.log_q=false",
            )
        drawn = len(log_q_N) if inputs.count_N is None else int(inputs.count_N.sum())
        corrected_N: Tensor = log_q_N.to(inputs.user_BD.dtype) + math.log(max(drawn, 1))
        return corrected_N
