"""Alignment and uniformity, without negatives. B batch rows, D embedding, R distinct users or items of a batch."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from reccli.api import ComponentSettings, Loss, LossInputs, LossOutput, Range
from reccli.nn.blocks import in_blocks

__all__ = ["DirectAU"]


class DirectAU(Loss):
    """Bring users and their items together on the unit sphere, and spread users, and items, evenly over it.

    ::

        l_b        = |u_b - v_b|^2                                                  alignment
        uniformity = g / 2 * ( U(users) + U(items) )                                a term beside the rows
        U(x)       = log( mean over pairs i != j of exp(-t |x_i - x_j|^2) )

    with `u_b` and `v_b` the unit vectors of user and positive, U over the distinct users and the distinct items of the
    batch, `g` the weight gamma and `t` the sharpness.

    Args:
        settings.gamma: Weight of uniformity; 0.2 to 10, the larger the more popular items dominate the data.
        settings.sharpness: t, how much near pairs count more than far ones; 2 in the paper.
        settings.block: Pairs held at a time; above it, blocks of rows are computed one after the other.

    Shapes:
        user_BD, positive_BD, item_B -> value_B and the term `uniformity`.

    Notes:
        Each distinct user and item of a batch counts once (a row's repeated ones would be pairs at distance 0); the
        paper takes the rows. Where rows of one user have vectors of their own (a history up to each row), each row
        counts. Lengths are free: use it with `--similarity cosine`. No sampler is used.

    Paper:
        Wang, Yu, Ma, Zhang, Chen, Liu, Ma: Towards Representation Alignment and Uniformity in Collaborative Filtering,
        KDD 2022, https://arxiv.org/abs/2206.12811, equations 3 and 4.

    Pairs well with:
        Cosine similarity; as a regulariser of another loss: `--loss infonce+directau:0.5`.

    Example:
        >>> from reccli.api import Similarity
        >>> user_BD = torch.tensor([[1.0, 0.0], [-3.0, 0.0]])
        >>> inputs = LossInputs(user_BD, user_BD, Similarity("cosine"), torch.arange(2), torch.ones(2), torch.ones(2))
        >>> output = DirectAU()(inputs)
        >>> output.value_B.tolist(), round(float(output.terms["uniformity"]), 3)
        ([0.0, 0.0], -8.0)
    """

    class Settings(ComponentSettings):
        """Settings of `directau`."""

        gamma: Annotated[float, Range(0.2, 5.0, log=True)] = Field(default=1.0, ge=0)
        """Weight of uniformity against alignment: 0.2 to 10."""
        sharpness: float = Field(default=2.0, gt=0)
        """How much near pairs count more than far ones (t in the paper)."""
        block: int = Field(default=1 << 24, ge=1)
        """Pairs in memory at a time; 16,777,216 are 64 MiB in float32."""

    uses_groups: ClassVar[bool] = True

    def compute(self, inputs: LossInputs) -> LossOutput:
        """Return the squared distance of each row's pair, and uniformity."""
        user_BD, positive_BD = _unit(inputs.user_BD), _unit(inputs.positive_BD)
        users_RD = user_BD if inputs.groups is None else _unit(inputs.groups.user_GD)
        items_RD = _unit(_distinct(inputs.positive_BD, inputs.item_B))
        spread = self._log_potential(users_RD) + self._log_potential(items_RD)
        alignment_B = (user_BD - positive_BD).square().sum(1)
        return LossOutput(alignment_B, {"uniformity": 0.5 * self.settings.gamma * spread})

    def _log_potential(self, unit_RD: Tensor) -> Tensor:
        """Return the logarithm of the mean Gaussian potential of all pairs, a scalar; 0 where there is no pair."""
        count = len(unit_RD)
        if count < 2:
            return unit_RD.sum() * 0.0
        sharpness = self.settings.sharpness
        place_R = torch.arange(count, device=unit_RD.device)

        def row_sums(row_RD: Tensor, own_R: Tensor) -> Tensor:
            exponent_RR = 2.0 * sharpness * (row_RD @ unit_RD.T - 1.0)
            own_RR = own_R.unsqueeze(1) == place_R
            sums_R: Tensor = exponent_RR.masked_fill(own_RR, -torch.inf).logsumexp(1)
            return sums_R

        each_R = in_blocks(row_sums, [unit_RD, place_R], max(1, self.settings.block // count))
        total: Tensor = each_R.logsumexp(0) - math.log(count * (count - 1))
        return total


def _unit(vector_RD: Tensor) -> Tensor:
    return functional.normalize(vector_RD, dim=-1)


def _distinct(vector_BD: Tensor, code_B: Tensor) -> Tensor:
    """Return one vector of each code: the mean of its rows, which have the same one unless dropout made them differ."""
    code_R, place_B = torch.unique(code_B, return_inverse=True)
    sum_RD = vector_BD.new_zeros((len(code_R), vector_BD.shape[1])).index_add(0, place_B, vector_BD)
    return sum_RD / torch.bincount(place_B, minlength=len(code_R)).unsqueeze(1)
