"""XSimGCL against a noisy walk that is written out, whose end the loss sees too."""

from __future__ import annotations

import pytest
import torch

from reccli.api import Context
from reccli.auxiliaries.xsimgcl import XSimGCL
from reccli.encoders.lightgcn import LightGCN
from reccli.errors import ConfigError
from reccli.testing import AuxiliaryConformance, checkerboard
from reccli.testing.inputs import batch_of


class TestXSimGCL(AuxiliaryConformance):
    component = "xsimgcl"


class TestSecondLayer(AuxiliaryConformance):
    component = "xsimgcl"
    settings = {"layer": 2, "nodes": 4}


def noise(vector: torch.Tensor, length: float, generator: torch.Generator) -> torch.Tensor:
    drawn = torch.rand(vector.shape, generator=generator).to(vector.dtype)
    rows = [length * row.sign() * drawn[v] / drawn[v].square().sum().sqrt() for v, row in enumerate(vector.detach())]
    return torch.stack(rows)


@pytest.mark.parametrize("layer", [1, 2])
def test_value_and_gradients_are_those_of_the_noisy_walk(oracle, layer: int) -> None:
    data = checkerboard(users=8, items=6).data
    encoder = oracle.DenseGraph(data.train, 2)
    task = XSimGCL(XSimGCL.Settings(noise=0.2, temperature=0.3, layer=layer))
    task.setup(data, encoder, Context(seed=1))
    encoder.disturb = task.disturbance()
    batch = batch_of(data, [0, 1, 7, 9, 9])
    state = task.draws.get_state()
    encoder.begin_step()
    got = task(encoder, batch)

    task.draws.set_state(state)
    layers = [encoder.table_VD]
    for _ in range(2):
        vector = encoder.matrix_VV @ layers[-1]
        layers.append(vector + noise(vector, 0.2, task.draws))
    end = (layers[0] + layers[1] + layers[2]) / 3
    torch.testing.assert_close(encoder.walk().mean_VD, end, rtol=1e-7, atol=1e-9)
    expected = torch.zeros((), dtype=torch.float64)
    users, items = sorted(set(batch.user_B.tolist())), sorted(set(batch.item_B.tolist()))
    for codes in (users, [8 + item for item in items]):
        views = [[view[code] for code in codes] for view in (end, layers[layer])]
        expected = expected + oracle.among_second(*views, 0.3)
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-8)
    gradients = [torch.autograd.grad(value, encoder.table_VD, retain_graph=True)[0] for value in (got, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-8)


def test_noise_is_in_training_alone_and_a_step_walks_once() -> None:
    data = checkerboard(users=8, items=6).data
    encoder = LightGCN(LightGCN.Settings(dim=4, start="random"))
    encoder.setup(data, Context())
    plain_ID, users_UD = encoder.export_items(), encoder.export_users(data.train)
    task = XSimGCL()
    task.setup(data, encoder, Context())
    encoder.disturb = task.disturbance()
    encoder.eval()
    torch.testing.assert_close(encoder.export_items(), plain_ID, rtol=0, atol=0)
    torch.testing.assert_close(encoder.export_users(data.train), users_UD, rtol=0, atol=0)
    encoder.train()
    calls: list[int] = []
    step = encoder.propagation.step
    encoder.propagation.step = lambda vector_VD: calls.append(1) or step(vector_VD)
    encoder.begin_step()
    assert not torch.equal(encoder.all_items(), plain_ID)
    task(encoder, batch_of(data)).backward()
    assert len(calls) == 2


def test_a_layer_that_is_not_there_is_refused() -> None:
    data = checkerboard(users=8, items=6).data
    encoder = LightGCN(LightGCN.Settings(dim=4, layers=2, start="random"))
    encoder.setup(data, Context())
    with pytest.raises(ConfigError, match="aux 'xsimgcl' needs 3 layers of propagation, and the encoder has 2"):
        XSimGCL(XSimGCL.Settings(layer=3)).setup(data, encoder, Context())
