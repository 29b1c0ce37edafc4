from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.api import Histories
from reccli.nn.propagation import Propagation

PAIRS = np.array([[0, 0], [0, 1], [1, 1], [2, 1], [2, 3]])


def dense(layers: int, user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
    """Literal: degrees, the symmetric matrix, and its powers, with ordinary products."""
    adjacency = torch.zeros(8, 8)
    for u, i in PAIRS:
        adjacency[u, 4 + i] = adjacency[4 + i, u] = 1.0
    degree = adjacency.sum(1).clamp_min(1).rsqrt()
    adjacency = degree[:, None] * adjacency * degree
    vector = torch.cat([user, item])
    return torch.stack([torch.linalg.matrix_power(adjacency, power) @ vector for power in range(layers + 1)]).mean(0)


def test_equals_the_dense_powers_with_gradients() -> None:
    histories = Histories.from_arrays(*PAIRS.T, n_users=4, n_items=4)  # the last user and item 2 have no edges
    user, item = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    weight = torch.randn(8, 3)
    for layers in range(4):
        got = torch.cat(Propagation(histories, layers)(user, item))
        expected = dense(layers, user, item)
        torch.testing.assert_close(got, expected)
        torch.testing.assert_close(
            torch.autograd.grad((weight * got).sum(), (user, item)),
            torch.autograd.grad((weight * expected).sum(), (user, item)),
        )


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_the_mean_is_that_of_the_walk_and_keeps_no_layer(layers: int) -> None:
    histories = Histories.from_arrays(*PAIRS.T, n_users=4, n_items=4)
    propagation = Propagation(histories, layers)
    user, item = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    saved: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: (saved.append(tensor), tensor)[1], lambda held: held):
        got = propagation(user, item)
    assert not saved
    mean = propagation.walk(user, item).mean_VD
    torch.testing.assert_close(got, (mean[:4], mean[4:]))
    one_sided = torch.autograd.grad(got[1].sum(), (user, item))
    torch.testing.assert_close(one_sided, torch.autograd.grad(mean[4:].sum(), (user, item)))
    assert got[0].dtype == propagation(user.double(), item.double())[0].dtype == torch.float32
