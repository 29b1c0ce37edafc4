"""From text vectors to vectors of items: beside an id, and in its place.

N items, W items with an id and a text, T text vector, D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from reccli.nn.ridge import ridge

__all__ = ["TextProjection"]


class TextProjection(nn.Module):
    """Two matrices: one that is trained, for items with an id, and one that is fitted, for items without.

    ::

        P t_i   where item i has an id        C t_i   where it has none        C = argmin |T_w C - V_w|^2 + r |C|^2

    with `T_w` the text vectors and `V_w` the vectors, text and all, of the items that have both. `P` (`beside_TD`) is
    free to learn its items by heart; what is new is told by `C` (`instead_TD`), which is no parameter. `likeness` is
    the mean cosine of `C t_i` and `v_i`: so much of an item its text tells.

    Args:
        size: T.
        dim: D.
        doubt: Power of `likeness` by which the cosines of items without an id fall, 0 to 1.
    """

    instead_TD: Tensor
    likeness: Tensor

    def __init__(self, size: int, dim: int, *, doubt: float = 1.0) -> None:
        super().__init__()
        self.doubt = doubt
        self.beside_TD = nn.Parameter(torch.zeros(size, dim))
        self.register_buffer("instead_TD", torch.zeros(size, dim))
        self.register_buffer("likeness", torch.ones(()))

    @torch.no_grad()
    def start(self, text_WT: Tensor, table_WD: Tensor) -> None:
        """Begin the trained matrix at the regression of a table."""
        self.beside_TD.copy_(ridge(text_WT, table_WD))

    @torch.no_grad()
    def fit(self, text_WT: Tensor, vector_WD: Tensor) -> None:
        """Fit the other matrix to vectors as they are now."""
        self.instead_TD.copy_(ridge(text_WT, vector_WD))
        if len(text_WT):
            cosine_W = functional.cosine_similarity(text_WT @ self.instead_TD, vector_WD, dim=1)
            self.likeness.copy_(cosine_W.mean().clamp(0.05, 1.0))

    def doubted(self, vector_ND: Tensor, has_id_N: Tensor) -> Tensor:
        """Return vectors with one number more, which users have 0 for: it lowers the cosines of items without an id.

        A user's cosine with such an item is that with the item's text times `likeness`, what it is expected to be, or
        times a power of it.
        """
        doubt = (self.likeness.pow(-2.0 * self.doubt) - 1.0).sqrt()
        return torch.cat([vector_ND, vector_ND.norm(dim=1, keepdim=True) * doubt * ~has_id_N[:, None]], dim=1)

    def forward(self, text_NT: Tensor, has_id_N: Tensor) -> Tensor:
        """Return what the texts say, ND."""
        return torch.where(has_id_N[:, None], text_NT @ self.beside_TD, text_NT @ self.instead_TD)
