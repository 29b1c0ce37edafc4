"""SimGCL against walks with noise that are written out."""

from __future__ import annotations

import pytest
import torch

from reccli.api import Context
from reccli.auxiliaries.simgcl import SimGCL
from reccli.encoders.lightgcn import LightGCN
from reccli.errors import ConfigError
from reccli.testing import AuxiliaryConformance, checkerboard
from reccli.testing.inputs import batch_of


class TestSimGCL(AuxiliaryConformance):
    component = "simgcl"


class TestFewNodes(AuxiliaryConformance):
    component = "simgcl"
    settings = {"nodes": 4, "noise": 0.3}


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_value_and_gradients_are_those_of_two_noisy_walks(oracle, layers: int) -> None:
    data = checkerboard(users=8, items=6).data
    encoder = oracle.DenseGraph(data.train, layers)
    task = SimGCL(SimGCL.Settings(noise=0.3, temperature=0.4))
    task.setup(data, encoder, Context(seed=1))
    batch = batch_of(data, [0, 1, 7, 9, 9])
    state = task.draws.get_state()
    got = task(encoder, batch)

    task.draws.set_state(state)
    ends = []
    for _ in range(2):
        vector, total = encoder.table_VD, encoder.table_VD
        for _ in range(layers):
            vector = encoder.matrix_VV @ vector
            drawn = torch.rand(vector.shape, generator=task.draws).double()
            noise = torch.zeros_like(vector)
            for v in range(len(vector)):
                length = drawn[v].square().sum().sqrt()
                for d in range(vector.shape[1]):
                    noise[v, d] = 0.3 * float(vector[v, d].detach().sign()) * drawn[v, d] / length
            vector = vector + noise
            total = total + vector
        ends.append(total / (layers + 1))
    expected = torch.zeros((), dtype=torch.float64)
    users, items = sorted(set(batch.user_B.tolist())), sorted(set(batch.item_B.tolist()))
    for codes in (users, [8 + item for item in items]):
        expected = expected + oracle.among_second(*([end[code] for code in codes] for end in ends), 0.4)
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-8)  # draws are float32
    gradients = [torch.autograd.grad(value, encoder.table_VD, retain_graph=True)[0] for value in (got, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-8)


def test_both_walks_share_the_encoder_s_products(monkeypatch: pytest.MonkeyPatch) -> None:
    data = checkerboard(users=8, items=6).data
    encoder = LightGCN(LightGCN.Settings(dim=4, layers=3, start="random"))
    encoder.setup(data, Context())
    task = SimGCL()
    task.setup(data, encoder, Context())
    encoder.begin_step()
    calls: list[bool] = []
    step = encoder.propagation.step
    walk = encoder.walk()
    object.__setattr__(walk, "step", lambda vector_VD: calls.append(torch.is_grad_enabled()) or step(vector_VD))
    task(encoder, batch_of(data)).backward()
    assert calls == [False] * 4  # two walks, after the second and the third layer, and none with gradients


def test_an_encoder_without_layers_is_refused() -> None:
    data = checkerboard(users=8, items=6).data
    encoder = LightGCN(LightGCN.Settings(dim=4, layers=0, start="random"))
    encoder.setup(data, Context())
    with pytest.raises(ConfigError, match="aux 'simgcl' needs 1 layer of propagation, and the encoder has 0") as caught:
        SimGCL().setup(data, encoder, Context())
    assert caught.value.hint == "--set encoder.layers=1"
