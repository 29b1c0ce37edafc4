"""Prototypes: their spread and their loss against loops, and clusters that are certain."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from reccli.nn import prototypes
from reccli.nn.prototypes import fit_prototypes, prototype_loss, usable_granularities

torch.set_num_threads(1)


def blobs(rows: int = 60) -> np.ndarray:
    rng = np.random.default_rng(0)
    vector = (
        np.eye(3, 5)[np.arange(rows) % 3] + 0.1 * rng.standard_normal((rows, 5)) * (1 + np.arange(rows) % 3)[:, None]
    )
    return (vector / np.linalg.norm(vector, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("many", [20_000, 10])
def test_clear_clusters_are_found_and_their_spread_is_as_defined(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prototypes, "MANY", many)
    vector = blobs()
    found = fit_prototypes(vector, 3, seed=5, temperature=0.2)
    cluster = found.cluster_R.numpy()
    assert all(len(set(cluster[start::3].tolist())) == 1 for start in range(3))
    assert len(set(cluster.tolist())) == 3
    torch.testing.assert_close(found.centre_CD.norm(dim=1), torch.ones(3))
    assert float(found.spread_C.mean()) == pytest.approx(0.2, rel=1e-5)
    assert found.spread_C.argsort().tolist() == [int(cluster[0]), int(cluster[1]), int(cluster[2])]
    if many == 20_000:
        raw = []
        for number in range(3):
            own = vector[cluster == number].astype(np.float64)
            distance = sum(math.dist(row, own.mean(0)) for row in own)
            raw.append(distance / (len(own) * math.log(len(own) + 10)))
        low, high = np.quantile(raw, [0.1, 0.9])
        cut = [min(max(value, low), high) for value in raw]
        np.testing.assert_allclose(found.spread_C.numpy(), [0.2 * value / np.mean(cut) for value in cut], rtol=1e-4)


def test_one_seed_is_one_result_and_rows_that_are_all_alike_are_no_trouble() -> None:
    first, second = (fit_prototypes(blobs(), 7, seed=3, temperature=0.1) for _ in range(2))
    torch.testing.assert_close(first.centre_CD, second.centre_CD)
    same = fit_prototypes(np.tile(np.eye(1, 4, dtype=np.float32), (6, 1)), 3, seed=0, temperature=0.1)
    assert bool(same.centre_CD.isfinite().all())
    assert same.spread_C.tolist() == pytest.approx([0.1] * 3)


def test_the_loss_against_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    centre = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    spread = torch.rand(5, generator=generator, dtype=torch.float64) + 0.1
    cluster = torch.tensor([0, 4, 2, 2])
    got = prototype_loss(vector, cluster, centre, spread)
    for b in range(4):
        score = [math.exp(float(vector[b] @ centre[c]) / float(spread[c])) for c in range(5)]
        assert float(got[b]) == pytest.approx(-math.log(score[cluster[b]] / sum(score)), rel=1e-9)


def test_granularities_leave_two_rows_a_cluster() -> None:
    assert usable_granularities((256, 16, 64), 1000) == (16, 64, 256)
    assert usable_granularities((256, 16, 64), 41) == (16, 20)
    assert usable_granularities((4,), 1) == (1,)
