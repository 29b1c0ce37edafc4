"""NCL against sums over neighbours and prototypes that are written out."""

from __future__ import annotations

import pytest
import torch

from reccli.api import Context
from reccli.auxiliaries.ncl import NCL
from reccli.encoders.lightgcn import LightGCN
from reccli.errors import ConfigError
from reccli.testing import AuxiliaryConformance, checkerboard
from reccli.testing.inputs import batch_of


class TestNCL(AuxiliaryConformance):
    component = "ncl"
    settings = {"clusters": 3}


class TestNeighboursAlone(AuxiliaryConformance):
    component = "ncl"
    settings = {"prototypes": 0.0, "nodes": 4}


class TestPrototypesAlone(AuxiliaryConformance):
    component = "ncl"
    settings = {"structure": 0.0}


@pytest.mark.parametrize(("structure", "prototypes"), [(1.0, 0.0), (0.0, 1.0), (0.7, 1.3)])
def test_value_and_gradients(oracle, structure: float, prototypes: float) -> None:
    data = checkerboard(users=8, items=6).data
    encoder = oracle.DenseGraph(data.train, 4)
    settings = NCL.Settings(temperature=0.3, hops=2, structure=structure, prototypes=prototypes, clusters=3)
    task = NCL(settings)
    task.setup(data, encoder, Context(seed=1))
    task.begin_epoch(1, encoder)
    encoder.begin_step()
    batch = batch_of(data, [0, 1, 7, 9, 9])
    got = task(encoder, batch)

    vector = encoder.table_VD
    for _ in range(4):
        vector = encoder.matrix_VV @ vector
    expected = torch.zeros((), dtype=torch.float64)
    users, items = sorted(set(batch.user_B.tolist())), sorted(set(batch.item_B.tolist()))
    for kind, codes in enumerate((users, [8 + item for item in items])):
        ends = [[view[code] for code in codes] for view in (vector, encoder.table_VD)]
        if structure:
            expected = expected + structure * oracle.among_second(*ends, 0.3)
        for code in codes if prototypes else ():
            centres = [centre.double() for centre in task.get_buffer(f"centre_{kind}")]
            shares = [(oracle.cosine(encoder.table_VD[code], centre) / 0.3).exp() for centre in centres]
            own = shares[int(task.cluster_V[code])]
            expected = expected - prototypes * (own / torch.stack(shares).sum()).log() / len(codes)
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-7)  # centres are float32
    gradients = [torch.autograd.grad(value, encoder.table_VD, retain_graph=True)[0] for value in (got, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-7)


def test_prototypes_are_means_of_their_members_for_each_kind() -> None:
    world = checkerboard(users=24, items=16)
    encoder = LightGCN(LightGCN.Settings(dim=8))  # from the spectrum: two tastes lie apart
    encoder.setup(world.data, Context(seed=1))
    task = NCL(NCL.Settings(clusters=2))
    task.setup(world.data, encoder, Context(seed=1))
    assert not task.centre_0.any()
    task.begin_epoch(1, encoder)
    for kind, (low, high) in enumerate(((0, 24), (24, 40))):
        unit = torch.nn.functional.normalize(encoder.walk().layers[0][low:high].detach(), dim=1)
        cluster = task.cluster_V[low:high]
        for number in range(2):
            mean = torch.nn.functional.normalize(unit[cluster == number].mean(0), dim=0)
            torch.testing.assert_close(task.get_buffer(f"centre_{kind}")[number], mean, rtol=1e-4, atol=1e-5)


def test_small_worlds_have_fewer_clusters_and_shallow_encoders_are_refused() -> None:
    data = checkerboard(users=8, items=6).data
    encoder = LightGCN(LightGCN.Settings(dim=4, layers=1, start="random"))
    encoder.setup(data, Context())
    with pytest.raises(ConfigError, match="aux 'ncl' needs 2 layers of propagation, and the encoder has 1"):
        NCL().setup(data, encoder, Context())
    encoder = LightGCN(LightGCN.Settings(dim=4, layers=2, start="random"))
    encoder.setup(data, Context())
    task = NCL()
    task.setup(data, encoder, Context())
    assert (len(task.centre_0), len(task.centre_1)) == (4, 3)


def test_prototypes_are_fitted_when_it_is_time() -> None:
    data = checkerboard(users=8, items=6).data
    encoder = LightGCN(LightGCN.Settings(dim=4, start="random"))
    encoder.setup(data, Context(seed=1))
    task = NCL(NCL.Settings(clusters=2, refresh=3))
    task.setup(data, encoder, Context(seed=1))
    fitted = []
    for epoch in range(1, 8):
        with torch.no_grad():
            encoder.user_UD.add_(torch.randn(8, 4, generator=torch.Generator().manual_seed(epoch)))
        before = task.centre_0.clone()
        task.begin_epoch(epoch, encoder)
        fitted.append(not torch.equal(before, task.centre_0))
    assert fitted == [True, False, False, True, False, False, True]
