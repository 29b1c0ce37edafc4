"""How much each part of an item's vector counts: a learned softmax over the parts that the item has.

I items, K parts, F numbers that the gate sees.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Gate"]


class Gate(nn.Module):
    """Weights of the parts of an item, by softmax over those that are there.

    ::

        g_ik = h_ik exp(s_k + f_i . m_k) / sum over l of h_il exp(s_l + f_i . m_l)

    with `h` whether item i has part k (`has_IK`), `s` a trained start and `m` trained slopes, 0 at first. An item
    without any part has zeros.

    Args:
        start_K: What `s` starts from.
        features: F.
    """

    def __init__(self, start_K: Sequence[float], features: int) -> None:
        super().__init__()
        self.start_K = nn.Parameter(torch.tensor(start_K, dtype=torch.float32))
        self.slope_FK = nn.Parameter(torch.zeros(features, len(start_K)))

    def forward(self, feature_IF: Tensor, has_IK: Tensor) -> Tensor:
        """Return the weights, IK; each row sums to 1, or is 0."""
        logit_IK = self.start_K + feature_IF @ self.slope_FK
        lowest = torch.finfo(logit_IK.dtype).min / 4  # minus infinity would give NaN where nothing is there
        return torch.softmax(logit_IK.masked_fill(~has_IK, lowest), dim=1) * has_IK
