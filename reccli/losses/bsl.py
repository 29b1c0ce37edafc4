"""Bilateral softmax loss, with a temperature that may be learned. B batch rows, N negatives, G distinct users."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from reccli.api import ComponentSettings, Loss, LossInputs, LossOutput, Range
from reccli.errors import ConfigError
from reccli.nn.user_negatives import negative_scores, to_rows

__all__ = ["BSL"]


class BSL(Loss):
    """Softmax on both sides: wrong positives weigh less, hard negatives more, each side at its own temperature.

    ::

        l_b = -p * log( mean over the user's rows k in the batch of exp(s_k / p) )
              + t * log( sum over valid j of w_j exp(s_bj / t) )

    with `s_k` the similarity of the user and the positive of row k, `s_bj` that of user and negative j, `p` and `t` the
    temperatures of positives and negatives, and `w_j` shares that sum to 1 over the valid negatives: equal ones, or
    with `log_q` in inverse proportion to how often the sampler proposes item j. Where rows of one user have vectors of
    their own, each row is a user and the first part is `-s_b`. A row without a valid negative keeps the first part.

    Learned temperature: the second part is the worst mean score among all weightings of the negatives that are no
    further from `w` than a Kullback-Leibler divergence of `radius`, when t is the one that makes ::

        t * log( sum of w_j exp(s_bj / t) ) + t * radius

    smallest. With a radius above 0 that t is learned along with the vectors, starting from `temperature`: the stated
    strength of the negatives stays, whatever the scale of the similarities becomes.

    Args:
        settings.temperature: t; 0.05 to 0.3 for cosines, about 1 for dot products.
        settings.positive_temperature: p; 1 to 3 times t. The smaller, the less a user's least fitting positives count.
        settings.radius: 0 leaves t as it is; 0.5 to 4 learns it, the larger the more the hardest negatives count.
        settings.log_q: Correct for how often the sampler proposes an item (`log_q_N`).

    Shapes:
        user_BD, positive_BD, negative_ND or negative_BND, known_BN, log_q_N -> value_B and the term `radius`.

    Raises:
        ConfigError: `log_q` is on and the sampler gives no proposal probabilities.

    Notes:
        `log_temperature` is a parameter of the loss; it is trained with the encoder's, and stored.

    Paper:
        Wu, Chen, Wu, Shi, Zhang, Wang: BSL, Understanding and Improving Softmax Loss for Recommendation, ICDE 2024,
        https://arxiv.org/abs/2312.12882, the definition of BSL. The dual with a radius: Hu, Hong: Kullback-Leibler
        Divergence Constrained Distributionally Robust Optimization, 2013, theorem 1.

    Pairs well with:
        `uniform`, and `in-batch` with `log_q`; encoders with one vector per user (`mf`, `lightgcn`).

    Example:
        >>> from reccli.api import Similarity
        >>> one = torch.ones(2, 4)
        >>> inputs = LossInputs(one, one, Similarity("cosine"), torch.tensor([0, 1]), torch.ones(2), torch.ones(2),
        ...                     negative_ND=-one)
        >>> BSL()(inputs).value_B
        tensor([-2., -2.])
    """

    class Settings(ComponentSettings):
        """Settings of `bsl`."""

        temperature: Annotated[float, Range(0.05, 1.0, log=True)] = Field(default=0.2, gt=0)
        """Temperature of the negatives: 0.05 to 0.3 for cosines, about 1 for dot products."""
        positive_temperature: Annotated[float, Range(0.05, 1.0, log=True)] = Field(default=0.2, gt=0)
        """Temperature of a user's positives: 1 to 3 times that of the negatives."""
        radius: float = Field(default=0.0, ge=0)
        """If above 0, the negatives' temperature is learned, so that they are tilted by this divergence: 0.5 to 4."""
        log_q: bool = False
        """Correct for how often the sampler proposes an item, so that popular items are not pushed away for it."""

    needs: ClassVar[frozenset[str]] = frozenset({"negatives"})
    uses_groups: ClassVar[bool] = True

    def __init__(self, settings: ComponentSettings | None = None) -> None:
        super().__init__(settings)
        start = torch.tensor(math.log(self.settings.temperature))
        self.log_temperature = nn.Parameter(start, requires_grad=self.settings.radius > 0)

    def compute(self, inputs: LossInputs) -> LossOutput:
        """Return both sides of each row, and what a radius adds."""
        score_GN, known_GN = negative_scores(inputs)
        temperature = self.log_temperature.to(score_GN.dtype).exp()
        negative_G = temperature * _log_mean_exp(score_GN / temperature, self._log_weight(inputs), known_GN)
        terms = {"radius": self.settings.radius * temperature} if self.settings.radius else {}
        return LossOutput(to_rows(negative_G, inputs) - self._positive_B(inputs), terms)

    def _positive_B(self, inputs: LossInputs) -> Tensor:
        score_B = inputs.positive_score_B()
        if inputs.groups is None:
            return score_B
        p, place_B = self.settings.positive_temperature, inputs.groups.place_B
        count = len(inputs.groups.user_GD)
        largest_G = score_B.detach().new_full((count,), -torch.inf).scatter_reduce(0, place_B, score_B.detach(), "amax")
        each_B = ((score_B - largest_G[place_B]) / p).exp()
        mean_G = each_B.new_zeros(count).index_add(0, place_B, each_B) / torch.bincount(place_B, minlength=count)
        shared_B: Tensor = (largest_G + p * mean_G.log())[place_B]
        return shared_B

    def _log_weight(self, inputs: LossInputs) -> Tensor | float:
        if not self.settings.log_q:
            return 0.0
        if inputs.log_q_N is None:
            raise ConfigError(
                "loss.log_q=true: this sampler does not say how likely it proposes an item",
                hint="use --sampler popularity, uniform (shared negatives), mixed or in-batch, "
                "or --set loss.log_q=false",
            )
        return -inputs.log_q_N.to(inputs.user_BD.dtype)


def _log_mean_exp(score_GN: Tensor, log_weight: Tensor | float, known_GN: Tensor | None) -> Tensor:
    """Return the logarithm of the weighted mean of exponentials, G; 0 without gradients where nothing is valid."""
    if not score_GN.shape[1]:
        return score_GN.sum(1)
    # A finite stand-in for minus infinity: where nothing is valid, the gradient is 0, not NaN.
    lowest = torch.finfo(score_GN.dtype).min / 4
    weight_GN = torch.zeros_like(score_GN, requires_grad=False) + log_weight
    if known_GN is not None:
        score_GN = score_GN.masked_fill(known_GN, 0.0)
        weight_GN = weight_GN.masked_fill(known_GN, lowest)
    value_G = (score_GN + weight_GN).logsumexp(1) - weight_GN.logsumexp(1)
    return value_G if known_GN is None else value_G.masked_fill(known_GN.all(1), 0.0)
