"""Walks from items to items against dense products."""

from __future__ import annotations

import torch

from reccli.nn.item_graph import ItemGraph
from reccli.nn.propagation import Propagation
from reccli.testing.worlds import checkerboard


def test_a_layer_is_two_steps_with_gradients() -> None:
    train = checkerboard(users=8, items=6).data.train
    matrix = torch.from_numpy(train.to_scipy("weight").toarray())
    matrix = matrix / matrix.sum(1, keepdim=True).sqrt() / matrix.sum(0).sqrt()
    item = torch.randn(6, 4, requires_grad=True)
    walk = ItemGraph(train, 2).walk(item)
    expected = matrix.T @ (matrix @ item)
    torch.testing.assert_close(walk.layers[1], expected)
    twice = matrix.T @ (matrix @ expected)
    torch.testing.assert_close(walk.layers[2], twice)
    torch.testing.assert_close(walk.mean_VD, (item + expected + twice) / 3)
    torch.testing.assert_close(walk.step(walk.layers[0]), expected)
    assert (walk.n_users, walk.period) == (0, 1)
    weight = torch.randn(6, 4)
    grads = [torch.autograd.grad((weight * value).sum(), item)[0] for value in (walk.layers[2], twice)]
    torch.testing.assert_close(*grads)


def test_other_graphs_and_disturbances() -> None:
    train = checkerboard(users=8, items=6).data.train
    item, graph = torch.randn(6, 4), ItemGraph(train, 1)
    moved = graph.walk(item, disturb=lambda vector: vector + 1)
    torch.testing.assert_close(moved.layers[1], graph.walk(item).layers[1] + 1)
    torch.testing.assert_close(graph.walk(item, step=Propagation(train, 1).step).layers[1], graph.walk(item).layers[1])
    assert not graph.walk(item, step=torch.zeros_like).layers[1].any()
    assert not graph.state_dict()
    torch.testing.assert_close(ItemGraph(train, 0).walk(item).mean_VD, item)
