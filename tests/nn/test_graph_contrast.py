"""Contrast of the vertices of a batch: the sum over kinds, and some of many."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reccli.api import Context, Encoder, Walk
from reccli.errors import ConfigError
from reccli.nn.graph_contrast import ContrastSettings, GraphContrast, layers_of
from reccli.nn.view_losses import view_loss
from reccli.testing import checkerboard
from reccli.testing.inputs import batch_of


class Still(Encoder):
    """Two layers of numbers."""

    def __init__(self, vertices: int, n_users: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        layers = tuple(torch.randn(vertices, 3, generator=generator) for _ in range(2))
        self.own = Walk(layers, n_users, lambda vector_VD: vector_VD)

    def walk(self, step=None) -> Walk:
        return self.own


class Layers(GraphContrast):
    """Contrasts the two layers."""

    def pair(self, encoder: Encoder) -> tuple[Tensor, Tensor]:
        return encoder.walk().layers[0], encoder.walk().layers[1]


@pytest.mark.parametrize("n_users", [8, 0])
def test_the_sum_over_kinds_of_means(n_users: int) -> None:
    data = checkerboard(users=8, items=6).data
    encoder, task = Still(n_users + 6, n_users), Layers(ContrastSettings(temperature=0.3))
    task.setup(data, encoder, Context(seed=1))
    batch = batch_of(data, [0, 0, 1, 5, 9])
    expected = torch.zeros(())
    for code_G in encoder.own.vertices(batch):
        expected = expected + view_loss(*(layer[code_G] for layer in encoder.own.layers), 0.3).mean()
    torch.testing.assert_close(task(encoder, batch), expected)


def test_of_many_some_are_drawn_anew() -> None:
    data = checkerboard(users=24, items=16).data
    encoder, task = Still(40, 24), Layers(ContrastSettings(nodes=5))
    task.setup(data, encoder, Context(seed=1))
    draws = [task.vertices(encoder.walk(), batch_of(data)) for _ in range(2)]
    for kinds in draws:
        assert [len(code_G.unique()) for code_G in kinds] == [5, 5]
        assert int(kinds[0].max()) < 24 <= int(kinds[1].min())
    assert not torch.equal(draws[0][0].sort().values, draws[1][0].sort().values)
    few = task.vertices(encoder.walk(), batch_of(data, [0, 1]))
    assert [len(code_G) for code_G in few] == [1, 2]


def test_layers_of() -> None:
    assert layers_of(Still(14, 8), "some", 1) == 1
    with pytest.raises(ConfigError, match="aux 'some' needs 2 layers of propagation, and the encoder has 1") as caught:
        layers_of(Still(14, 8), "some", 2)
    assert caught.value.hint == "--set encoder.layers=2"
