"""Views of a graph: missing edges, noise, and what noise becomes on its way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.nn.graph_views import drift, noisy, thinned
from reccli.nn.propagation import Propagation
from reccli.testing.worlds import checkerboard


def test_thinned_graphs_lack_a_share() -> None:
    histories = checkerboard(users=24, items=40).data.train
    part = thinned(histories, 0.25, np.random.default_rng(0))
    assert len(part) / len(histories) == pytest.approx(0.75, abs=0.06)
    whole = set(zip(histories.user_E.tolist(), histories.item_E.tolist(), strict=True))
    assert set(zip(part.user_E.tolist(), part.item_E.tolist(), strict=True)) <= whole


def test_noise_has_one_length_and_the_signs_of_the_vector() -> None:
    vector = torch.randn(50, 6)
    vector[3, 2] = 0
    change = noisy(vector, 0.1, torch.Generator().manual_seed(0)) - vector
    assert (change * vector >= -1e-6).all()
    assert change[3, 2] == 0
    others = torch.arange(50) != 3
    torch.testing.assert_close(change[others].norm(dim=1), torch.full((49,), 0.1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_walk_and_its_drift_are_a_walk_with_noise(layers: int) -> None:
    data = checkerboard(users=12, items=10).data
    graph = Propagation(data.train, layers)
    user, item = torch.randn(12, 5, requires_grad=True), torch.randn(10, 5, requires_grad=True)
    draws = torch.Generator().manual_seed(3)
    disturbed = graph.walk(user, item, disturb=lambda vector: noisy(vector, 0.2, draws)).mean_VD
    draws.manual_seed(3)
    walk = graph.walk(user, item)
    moved = walk.mean_VD + drift(walk, 0.2, draws)
    torch.testing.assert_close(moved, disturbed)
    weight = torch.randn(22, 5)
    for one, other in zip(
        torch.autograd.grad((weight * moved).sum(), (user, item)),
        torch.autograd.grad((weight * disturbed).sum(), (user, item)),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
