"""Propagation of vectors over the graph of interactions.

U users, I items, V vertices (U + I), D embedding, d some of its columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from reccli.api.data import Histories
from reccli.api.walk import Walk
from reccli.nn.sparse_tensor import to_torch
from reccli.nn.spectral import normalised

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Propagation"]

COLUMNS = 16
"""Of a walk that keeps no layers, at a time: its sums are then a fraction of what comes out."""


class _Symmetric(torch.autograd.Function):
    """Product with a constant symmetric matrix: the gradient is the same product, so no transpose is ever made."""

    @staticmethod
    def forward(ctx: Any, matrix_VV: Tensor, vector_VD: Tensor) -> Tensor:
        ctx.matrix_VV = matrix_VV
        return matrix_VV @ vector_VD

    @staticmethod
    def backward(ctx: Any, gradient_VD: Tensor) -> tuple[None, Tensor]:
        return None, ctx.matrix_VV @ gradient_VD.contiguous()


class _Mean(torch.autograd.Function):
    """Mean over all layers of a walk: linear and symmetric, so nothing is kept, and the gradient is the same walk."""

    @staticmethod
    def forward(ctx: Any, matrix_VV: Tensor, user_UD: Tensor, item_ID: Tensor, layers: int) -> tuple[Tensor, Tensor]:
        ctx.matrix_VV, ctx.layers = matrix_VV, layers
        return _mean(matrix_VV, user_UD, item_ID, layers)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, user_UD: Tensor, item_ID: Tensor) -> tuple[None, Tensor, Tensor, None]:
        return None, *_mean(ctx.matrix_VV, user_UD, item_ID, ctx.layers), None


def _mean(matrix_VV: Tensor, user_UD: Tensor, item_ID: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    """Return the mean of `A^l x` over `l = 0..layers`, some columns at a time: only what comes out is of full size."""
    mean_UD, mean_ID = torch.empty_like(user_UD), torch.empty_like(item_ID)
    for first in range(0, user_UD.shape[1], COLUMNS):
        part = slice(first, first + COLUMNS)
        mean_Vd = _horner(matrix_VV, torch.cat([user_UD[:, part], item_ID[:, part]]), layers)
        mean_Vd /= layers + 1
        mean_UD[:, part], mean_ID[:, part] = mean_Vd[: len(user_UD)], mean_Vd[len(user_UD) :]
    return mean_UD, mean_ID


def _horner(matrix_VV: Tensor, start_Vd: Tensor, layers: int) -> Tensor:
    """Return the sum of `A^l x` as `x + A (x + A (x + ...))`; the last one takes the room of `x`."""
    sum_Vd = start_Vd
    for _ in range(layers - 1):
        sum_Vd = torch.addmm(start_Vd, matrix_VV, sum_Vd)
    if layers == 1:
        return torch.addmm(start_Vd, matrix_VV, start_Vd)
    return start_Vd.addmm_(matrix_VV, sum_Vd) if layers else start_Vd


class Propagation(nn.Module):
    """Mean of the vectors and of their 1 to L times propagated images (light graph convolution).

    ::

        out = 1 / (L + 1) * sum over l = 0..L of A^l x        A = [[0, N], [N^T, 0]],  N = D_u^(-1/2) X D_i^(-1/2)

    Args:
        histories: The graph's edges; weights count.
        layers: L, 1 to 4; 0 gives the vectors back.

    Shapes:
        user_UD, item_ID -> UD, ID.

    Notes:
        The matrix is not part of the state: it follows from the data. It is held once and multiplied in float32
        whatever the precision of the rest.

    Paper:
        He, Deng, Wang, Li, Zhang, Wang: LightGCN, SIGIR 2020, https://arxiv.org/abs/2002.02126, equations 3 and 4, with
        equal layer weights.
    """

    def __init__(self, histories: Histories, layers: int) -> None:
        super().__init__()
        matrix, _, _ = normalised(histories)
        self.n_users, self.layers = matrix.shape[0], layers
        self._matrix_VV = to_torch(_symmetric(matrix))

    def forward(self, user_UD: Tensor, item_ID: Tensor) -> tuple[Tensor, Tensor]:
        """Propagate, and return the means over all layers, of which none is kept."""
        matrix_VV = self._on(user_UD.device)
        with torch.autocast(user_UD.device.type, enabled=False):
            found = _Mean.apply(matrix_VV, user_UD.float(), item_ID.float(), self.layers)  # type: ignore[no-untyped-call]
        return found[0], found[1]

    def walk(
        self,
        user_UD: Tensor,
        item_ID: Tensor,
        *,
        step: Callable[[Tensor], Tensor] | None = None,
        disturb: Callable[[Tensor], Tensor] | None = None,
    ) -> Walk:
        """Propagate, and return the vectors after each layer.

        Args:
            user_UD: Vectors of users.
            item_ID: Vectors of items.
            step: One layer over another graph; None for this one.
            disturb: Changes the vectors after each layer, VD to VD.
        """
        step = self.step if step is None else step
        layers = [torch.cat([user_UD, item_ID]).float()]
        for _ in range(self.layers):
            vector_VD = step(layers[-1])
            layers.append(vector_VD if disturb is None else disturb(vector_VD))
        return Walk(tuple(layers), self.n_users, step)

    def step(self, vector_VD: Tensor) -> Tensor:
        """Return what the neighbours of each vertex have, VD; the graph follows the vectors to their device."""
        matrix_VV = self._on(vector_VD.device)
        with torch.autocast(vector_VD.device.type, enabled=False):
            return _Symmetric.apply(matrix_VV, vector_VD)  # type: ignore[no-untyped-call,no-any-return]

    def _on(self, device: torch.device) -> Tensor:
        if self._matrix_VV.device != device:
            self._matrix_VV = self._matrix_VV.to(device)
        return self._matrix_VV


def _symmetric(matrix_UI: csr_matrix) -> csr_matrix:
    """Return [[0, N], [N^T, 0]] by rows, VV."""
    from scipy.sparse import csr_matrix

    turned_IU = matrix_UI.T.tocsr()
    n_users, n_items = matrix_UI.shape
    parts = (
        np.concatenate([matrix_UI.data, turned_IU.data]),
        np.concatenate([matrix_UI.indices + n_users, turned_IU.indices]),
        np.concatenate([matrix_UI.indptr, matrix_UI.nnz + turned_IU.indptr[1:]]),
    )
    return csr_matrix(parts, shape=(n_users + n_items, n_users + n_items))
