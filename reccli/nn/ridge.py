"""Ridge regression between vectors of the same things. W rows, T numbers given, D numbers wanted."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ridge"]


def ridge(given_WT: Tensor, wanted_WD: Tensor, *, strength: float = 0.03) -> Tensor:
    """Return the matrix that gives the wanted vectors from the given ones, TD float32, solved in float64.

    ::

        S = argmin |X S - Y|^2 + r |S|^2        r = strength * mean of the diagonal of X^T X

    Args:
        given_WT: X.
        wanted_WD: Y.
        strength: 0.01 to 0.3.
    """
    given_WT, wanted_WD = given_WT.double(), wanted_WD.double()
    gram_TT = given_WT.T @ given_WT
    gram_TT.diagonal().add_(strength * float(gram_TT.diagonal().mean()) + 1e-9)
    found_TD: Tensor = torch.linalg.solve(gram_TT, given_WT.T @ wanted_WD).float()
    return found_TD
