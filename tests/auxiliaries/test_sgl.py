"""SGL against walks over two thinned graphs that are written out."""

from __future__ import annotations

import torch

from reccli.api import Context, Histories
from reccli.auxiliaries.sgl import SGL
from reccli.encoders.lightgcn import LightGCN
from reccli.nn.graph_views import thinned
from reccli.testing import AuxiliaryConformance, checkerboard
from reccli.testing.inputs import batch_of


class TestSGL(AuxiliaryConformance):
    component = "sgl"


class TestFewNodes(AuxiliaryConformance):
    component = "sgl"
    settings = {"nodes": 4, "drop": 0.4}


def ends(oracle, encoder: LightGCN, train: Histories, epoch: int, drop: float) -> tuple[list[torch.Tensor], ...]:
    generator = Context(seed=1).numpy_generator(f"sgl edges of epoch {epoch}")
    start = torch.cat([encoder.user_UD, encoder.item_ID]).double()
    views = []
    for _ in range(2):
        matrix = oracle.dense(thinned(train, drop, generator))
        first = matrix @ start
        views.append((start + first + matrix @ first) / 3)
    return tuple(views)


def test_value_and_gradients_are_those_of_walks_over_two_graphs(oracle) -> None:
    data = checkerboard(users=8, items=6).data
    encoder = LightGCN(LightGCN.Settings(dim=4, start="random", std=1.0))
    encoder.setup(data, Context(seed=1))
    task = SGL(SGL.Settings(drop=0.3, temperature=0.3))
    task.setup(data, encoder, Context(seed=1))
    batch = batch_of(data, [0, 1, 7, 9, 9])
    users, items = sorted(set(batch.user_B.tolist())), sorted(set(batch.item_B.tolist()))
    values = []
    for epoch in (1, 2, 1):
        task.begin_epoch(epoch, encoder)
        encoder.begin_step()
        got = task(encoder, batch)
        views = ends(oracle, encoder, data.train, epoch, 0.3)
        expected = torch.zeros((), dtype=torch.float64)
        for codes in (users, [8 + item for item in items]):
            expected = expected + oracle.among_second(*([view[code] for code in codes] for view in views), 0.3)
        torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-6)
        tables = (encoder.user_UD, encoder.item_ID)
        torch.testing.assert_close(
            torch.autograd.grad(got, tables), torch.autograd.grad(expected, tables), rtol=1e-4, atol=1e-6
        )
        values.append(float(got.detach()))
    assert values[0] == values[2] != values[1]


def test_the_encoder_s_own_walk_is_whole() -> None:
    data = checkerboard(users=8, items=6).data
    encoder = LightGCN(LightGCN.Settings(dim=4, start="random"))
    encoder.setup(data, Context(seed=1))
    plain = encoder.export_items()
    task = SGL(SGL.Settings(drop=0.5))
    task.setup(data, encoder, Context(seed=1))
    task(encoder, batch_of(data))
    torch.testing.assert_close(encoder.export_items(), plain, rtol=0, atol=0)
