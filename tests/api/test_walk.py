"""A walk: its mean, and the vertices of a batch."""

from __future__ import annotations

import torch

from reccli.api import Walk
from reccli.testing import checkerboard
from reccli.testing.inputs import batch_of


def test_the_mean_is_over_all_layers_with_gradients() -> None:
    layers = tuple(torch.randn(5, 3, requires_grad=True) for _ in range(3))
    walk = Walk(layers, 2, lambda vector_VD: vector_VD)
    torch.testing.assert_close(walk.mean_VD, torch.stack(layers).mean(0))
    assert walk.mean_VD is walk.mean_VD
    walk.mean_VD.sum().backward()
    assert all(torch.allclose(layer.grad, torch.full((5, 3), 1 / 3)) for layer in layers)


def test_vertices_are_distinct_users_and_items_after_them() -> None:
    data = checkerboard(users=8, items=6).data
    batch = batch_of(data, [0, 0, 1, 5])
    users, items = sorted(set(batch.user_B.tolist())), sorted(set(batch.item_B.tolist()))
    both = Walk((torch.zeros(14, 2),), 8, lambda vector_VD: vector_VD).vertices(batch)
    assert [code_G.tolist() for code_G in both] == [users, [8 + item for item in items]]
    alone = Walk((torch.zeros(6, 2),), 0, lambda vector_VD: vector_VD).vertices(batch)
    assert [code_G.tolist() for code_G in alone] == [items]
