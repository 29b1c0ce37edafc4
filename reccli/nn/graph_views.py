"""Views of a graph: fewer edges, or noise on the vectors. V vertices, D embedding."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from reccli.api.data import Histories
from reccli.api.walk import Walk

__all__ = ["drift", "noise_like", "noisy", "thinned"]


def thinned(histories: Histories, drop: float, generator: np.random.Generator) -> Histories:
    """Return the histories without a random share of the interactions."""
    kept_E = generator.random(len(histories)) >= drop
    return Histories.from_arrays(
        histories.user_E[kept_E],
        histories.item_E[kept_E],
        n_users=histories.n_users,
        n_items=histories.n_items,
        weight_E=histories.weight_E[kept_E],
    )


def noise_like(vector_VD: Tensor, length: float, generator: torch.Generator) -> Tensor:
    """Return noise of one length that points into each vector's own orthant, VD, without gradients."""
    random_VD = torch.rand(vector_VD.shape, generator=generator).to(vector_VD)
    return length * vector_VD.detach().sign() * functional.normalize(random_VD, dim=1)


def noisy(vector_VD: Tensor, length: float, generator: torch.Generator) -> Tensor:
    """Return the vectors with noise of one length that points into each vector's own orthant."""
    return vector_VD + noise_like(vector_VD, length, generator)


@torch.no_grad()
def drift(walk: Walk, length: float, generator: torch.Generator) -> Tensor:
    """Return how far noise after each layer carries the mean of a walk, VD.

    ::

        n_1 = noise(x_1),    n_l = A n_(l-1) + noise(x_l + A n_(l-1)),     drift = 1 / (L + 1) sum over l of n_l

    with `x_l` the walk's layers and `A` its step. As a step is linear and noise has no gradient, a walk with noise is
    the walk without plus the drift: any number of them share one propagation, forwards and backwards.

    Args:
        walk: An undisturbed walk of at least one layer.
        length: Length of the noise on a vector.
        generator: Draws it, on the CPU.
    """
    carried_VD: Tensor | None = None
    total_VD = torch.zeros_like(walk.layers[0])
    for layer_VD in walk.layers[1:]:
        if carried_VD is None:
            carried_VD = noise_like(layer_VD, length, generator)
        else:
            carried_VD = walk.step(carried_VD)
            carried_VD = carried_VD + noise_like(layer_VD + carried_VD, length, generator)
        total_VD = total_VD + carried_VD
    return total_VD / len(walk.layers)
