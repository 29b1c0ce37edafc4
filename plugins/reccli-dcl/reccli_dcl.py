"""The decoupled contrastive loss as a plugin of reccli. B batch rows, N negatives."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from reccli.api import ComponentSettings, Loss, LossInputs, LossOutput, Range

__all__ = ["DCL"]


class DCL(Loss):
    """Attract the positive and repel the negatives without letting one weaken the other (decoupled InfoNCE).

    ::

        l_b = -w_b s_b / t + log( sum over valid j of exp(s_bj / t) )
        w_b = 2 - exp(s_b / sigma) / mean over the batch of exp(s / sigma)      (1 without sigma)

    with `s_b` the similarity of user and positive, `s_bj` that of user and negative j, `t` the temperature. Known
    positives among the negatives are left out; a row without a valid negative has loss 0.

    Args:
        settings.temperature: What similarities are divided by; 0.05 to 0.3 for cosines, about 1 for dot products.
        settings.sigma: Width of the weighting of hard positives (DCLW in the paper); about 0.5, or none.

    Shapes:
        user_BD, positive_BD, negative_ND or negative_BND, known_BN -> value_B.

    Notes:
        Next to InfoNCE the positive is missing from the denominator, so its gradient does not fade where the positive
        is easy; that matters most for small batches. Values can be negative. The paper sums over both views of an
        image; here the user is the anchor.

    Paper:
        Yeh, Hong, Hsu, Liu, Chen, LeCun: Decoupled Contrastive Learning, ECCV 2022, https://arxiv.org/abs/2110.06848,
        section 3, losses DC and DCW.

    Pairs well with:
        `in-batch` with batches of 256 to 1024 rows, cosine similarity.

    Example:
        >>> import torch
        >>> from reccli.api import LossInputs, Similarity
        >>> one = torch.ones(2, 4)
        >>> rest = torch.tensor([0, 1]), torch.ones(2), torch.ones(2)
        >>> inputs = LossInputs(one, one, Similarity("cosine"), *rest, negative_ND=-one[:1])
        >>> DCL(DCL.Settings(temperature=0.5))(inputs).value_B
        tensor([-4., -4.])
    """

    class Settings(ComponentSettings):
        """Settings of `dcl`."""

        temperature: Annotated[float, Range(0.05, 1.0, log=True)] = Field(default=0.2, gt=0)
        """What similarities are divided by: 0.05 to 0.3 for cosines, about 1 for dot products."""
        sigma: float | None = Field(default=None, gt=0)
        """Width of the weighting that favours hard positives; none weighs all alike."""

    needs: ClassVar[frozenset[str]] = frozenset({"negatives"})

    def compute(self, inputs: LossInputs) -> LossOutput:
        """Return each row's decoupled loss."""
        score_BN = inputs.negative_score_BN() / self.settings.temperature
        known_BN = torch.zeros_like(score_BN, dtype=torch.bool) if inputs.known_BN is None else inputs.known_BN
        # Without a valid negative the logarithm is of zero and its gradient not a number: set such rows aside first.
        alone_B = known_BN.all(1)
        score_BN = self.masked(score_BN, known_BN).masked_fill(alone_B.unsqueeze(1), 0.0)
        positive_B = inputs.positive_score_B()
        attraction_B = self._weight_B(positive_B) * positive_B / self.settings.temperature
        return LossOutput((score_BN.logsumexp(1) - attraction_B).masked_fill(alone_B, 0.0))

    def _weight_B(self, positive_B: Tensor) -> Tensor:
        if self.settings.sigma is None:
            return torch.ones_like(positive_B)
        share_B: Tensor = (positive_B / self.settings.sigma).softmax(0)
        return 2.0 - len(positive_B) * share_B
