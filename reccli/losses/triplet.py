"""Triplet loss with a margin. B batch rows, N negatives."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from reccli.api import ComponentSettings, Loss, LossInputs, LossOutput, Range
from reccli.nn.blocks import over_negatives

__all__ = ["Triplet"]


class Triplet(Loss):
    """Keep a user's positive closer than its negatives by a margin.

    ::

        l_b = mean over valid j of  max(0, m - s_b + s_bj)          (`hardest`: the largest instead of the mean)

    with `s_b` the similarity of user and positive, `s_bj` that of user and negative j, `m` the margin. Known positives
    among the negatives are left out; a row without a valid one has loss 0.

    Args:
        settings.margin: How much closer; 0.1 to 0.5 for cosines, about 1 for dot products and distances.
        settings.hardest: Take each row's closest negative alone.

    Shapes:
        user_BD, positive_BD, negative_ND or negative_BND, known_BN -> value_B.

    Notes:
        With `--similarity euclidean` this is the loss of collaborative metric learning: similarities are minus squared
        distances. Blocks of rows are computed one after the other where batch times negatives is large.

    Paper:
        Schroff, Kalenichenko, Philbin: FaceNet, CVPR 2015, https://arxiv.org/abs/1503.03832, equation 3; for users and
        items: Hsieh et al., Collaborative Metric Learning, WWW 2017, https://doi.org/10.1145/3038912.3052639.

    Pairs well with:
        `uniform` (four of each row's own unless told) and `dynamic` negatives.

    Example:
        >>> from reccli.api import Similarity
        >>> one = torch.ones(2, 4)
        >>> inputs = LossInputs(one, one, Similarity("cosine"), torch.tensor([0, 1]), torch.ones(2), torch.ones(2),
        ...                     negative_ND=torch.stack([one[0], -one[0]]))
        >>> Triplet(Triplet.Settings(margin=0.5))(inputs).value_B
        tensor([0.2500, 0.2500])
    """

    class Settings(ComponentSettings):
        """Settings of `triplet`."""

        margin: Annotated[float, Range(0.05, 1.0, log=True)] = Field(default=0.2, gt=0)
        """How much closer the positive must be: 0.1 to 0.5 for cosines, about 1 for dot products and distances."""
        hardest: bool = False
        """Take each row's closest negative alone, not the mean over all."""

    needs: ClassVar[frozenset[str]] = frozenset({"negatives"})
    preferred_sampler: ClassVar[dict[str, Any]] = {"sampler": "uniform", "sampler.own": 4}

    def compute(self, inputs: LossInputs) -> LossOutput:
        """Return each row's hinge."""
        return LossOutput(over_negatives(inputs, self._values_B))

    def _values_B(self, positive_B: Tensor, score_BN: Tensor, known_BN: Tensor) -> Tensor:
        each_BN = functional.relu(self.settings.margin - positive_B.unsqueeze(1) + score_BN)
        if not self.settings.hardest:
            return self.mean_over_negatives(each_BN, known_BN)
        each_BN = each_BN.masked_fill(known_BN, 0.0)
        return torch.cat([each_BN, torch.zeros_like(positive_B).unsqueeze(1)], dim=1).amax(1)
