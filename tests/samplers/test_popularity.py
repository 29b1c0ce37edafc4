from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.api import Context, Histories, TrainingData
from reccli.errors import DataError
from reccli.samplers.popularity import Popularity
from reccli.testing import SamplerConformance

ROW = torch.tensor([0, 1, 2])


class TestPopularity(SamplerConformance):
    component = "popularity"


class TestOwnPopularity(SamplerConformance):
    component = "popularity"
    settings = {"own": 3, "alpha": 1.0}


def expected_I(data, alpha):
    """Probability of each item, one by one."""
    count = {item: np.count_nonzero(data.train.item_E == item) for item in range(data.n_items)}
    total = sum(number**alpha for number in count.values() if number)
    return np.array([count[item] ** alpha / total if count[item] else 0.0 for item in range(data.n_items)])


@pytest.mark.parametrize("alpha", [0.0, 0.75, 1.0, 2.0])
@pytest.mark.parametrize("settings", [{"count": 20_000}, {"own": 7_000}])
def test_draws_by_a_power_of_the_counts(ready, data, follows, alpha, settings):
    got = ready(Popularity(Popularity.Settings(alpha=alpha, **settings))).sample(
        ROW, ROW, torch.Generator().manual_seed(0)
    )
    follows(got.own_BN if "own" in settings else got.shared_N, expected_I(data, alpha))


def test_shared_negatives_know_their_probability(ready, data):
    got = ready(Popularity(Popularity.Settings(count=50))).sample(ROW, ROW, torch.Generator().manual_seed(0))
    assert got.log_q_N.exp().tolist() == pytest.approx(expected_I(data, 0.75)[got.shared_N].tolist(), rel=1e-5)


def test_the_greatest_draw_still_points_at_an_item(ready, data, monkeypatch):
    sampler = ready(Popularity(Popularity.Settings(count=2)))
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.tensor([0.0, np.nextafter(1.0, 0.0)]).double())
    seen = np.flatnonzero(data.item_count_I())
    assert sampler.sample(ROW, ROW, torch.Generator()).shared_N.tolist() == [seen[0], seen[-1]]


def test_no_interactions_are_refused():
    empty = TrainingData(Histories.from_arrays([], [], n_users=2, n_items=2))
    with pytest.raises(DataError, match="no training interactions"):
        Popularity().setup(empty, Context())
