"""Weighted approximate-rank pairwise loss. B batch rows, N negatives, I items."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from reccli.api import ComponentSettings, Loss, LossInputs, LossOutput, Range
from reccli.errors import PluginError
from reccli.nn.blocks import over_negatives

__all__ = ["WARP"]


class WARP(Loss):
    """Push away the negatives that come too close to the positive, the more the lower the positive ranks.

    ::

        l_b = H(r_b) * mean over violating j of (m - s_b + s_bj),      j violates where  m - s_b + s_bj > 0
        r_b = (I - 1) * (violating j) / (valid j),                     H(r) = 1 + 1/2 + ... + 1/r

    with `s_b` the similarity of user and positive, `s_bj` that of user and negative j, `m` the margin, `r_b` the rank
    of the positive among all I items (`LossInputs.n_items`) as the draws tell it. Known positives among the negatives
    are left out; a row without a violating one has loss 0.

    Args:
        settings.margin: How much closer the positive must be; 0.1 to 0.5 for cosines, about 1 for dot products.

    Shapes:
        user_BD, positive_BD, negative_ND or negative_BND, known_BN -> value_B.

    Raises:
        PluginError: Nobody says how many items there are.

    Notes:
        The paper draws negatives one by one until one violates, takes that one, and tells the rank by the number of
        draws. With N draws at once the share that violates tells the rank with less noise, and the mean over those
        that violate is what the one would be on average. H is continued between whole ranks by the digamma function.
        The rank is right for `uniform` draws; other samplers tilt it.

    Paper:
        Weston, Bengio, Usunier: WSABIE, Scaling Up to Large Vocabulary Image Annotation, IJCAI 2011,
        https://doi.org/10.5591/978-1-57735-516-8/IJCAI11-460, section 3.

    Pairs well with:
        `uniform`: four of each row's own unless told, or shared ones.

    Example:
        >>> from reccli.api import Similarity
        >>> one = torch.ones(2, 4)
        >>> inputs = LossInputs(one, one, Similarity("cosine"), torch.tensor([0, 1]), torch.ones(2), torch.ones(2),
        ...                     negative_ND=torch.stack([one[0], -one[0]]), n_items=5)
        >>> WARP(WARP.Settings(margin=0.5))(inputs).value_B
        tensor([0.7500, 0.7500])
    """

    class Settings(ComponentSettings):
        """Settings of `warp`."""

        margin: Annotated[float, Range(0.05, 1.0, log=True)] = Field(default=0.2, gt=0)
        """How much closer the positive must be: 0.1 to 0.5 for cosines, about 1 for dot products."""

    needs: ClassVar[frozenset[str]] = frozenset({"negatives"})
    preferred_sampler: ClassVar[dict[str, Any]] = {"sampler": "uniform", "sampler.own": 4}

    def compute(self, inputs: LossInputs) -> LossOutput:
        """Return each row's hinge, weighed by the harmonic number of its rank."""
        if not inputs.n_items:
            raise PluginError("loss WARP was called without n_items, the number of items that could be negatives")
        others = max(inputs.n_items - 1, 1)

        def values_B(positive_B: Tensor, score_BN: Tensor, known_BN: Tensor) -> Tensor:
            each_BN = functional.relu(self.settings.margin - positive_B.unsqueeze(1) + score_BN)
            each_BN = each_BN.masked_fill(known_BN, 0.0)
            violating_B, valid_B = (each_BN > 0).sum(1), (~known_BN).sum(1)
            rank_B = others * violating_B.to(each_BN.dtype) / valid_B.clamp_min(1)
            harmonic_B = torch.digamma(rank_B + 1.0) + np.euler_gamma
            return harmonic_B * each_BN.sum(1) / violating_B.clamp_min(1)

        return LossOutput(over_negatives(inputs, values_B))
