from __future__ import annotations

import numpy as np
import pytest
import torch
from reccli_mixed_negatives import MixedNegatives

from reccli import registry
from reccli.api import Context, Histories, TrainingData
from reccli.errors import DataError
from reccli.testing import SamplerConformance
from reccli.testing.inputs import skewed_data


class TestMixedNegatives(SamplerConformance):
    component = "mixed-negatives"
    settings = {"count": 24}
    draws_cold = True


class TestSeenItemsAlone(SamplerConformance):
    component = "mixed-negatives"
    settings = {"count": 24, "cold": False}


class TestFewUniformDraws(SamplerConformance):
    component = "mixed-negatives"
    settings = {"count": 1}
    draws_cold = True


@pytest.fixture
def data():
    return skewed_data()


@pytest.mark.parametrize("cold", [True, False])
@pytest.mark.parametrize("batch", [1, 7])
def test_the_batch_comes_first_and_probabilities_are_the_mixtures(data, batch, cold):
    sampler = MixedNegatives(MixedNegatives.Settings(count=5, cold=cold))
    sampler.setup(data, Context())
    item_B = torch.arange(batch)
    got = sampler.sample(item_B, item_B, torch.Generator().manual_seed(0))
    assert got.shared_N[:batch].tolist() == item_B.tolist()
    assert len(got.shared_N) == batch + 5
    assert not got.in_batch
    for item, log_q in zip(got.shared_N.tolist(), got.log_q_N.tolist(), strict=True):
        popular = np.count_nonzero(data.train.item_E == item) / len(data.train)
        uniform = 1 / (data.n_items if cold else np.count_nonzero(data.item_count_I()))
        chance = batch / (batch + 5) * popular + 5 / (batch + 5) * uniform
        assert np.exp(log_q) == pytest.approx(chance, rel=1e-5)


def test_new_items_are_drawn_as_often_as_any_other(data):
    sampler = MixedNegatives(MixedNegatives.Settings(count=60_000))
    sampler.setup(data, Context())
    item_B = torch.arange(1)
    drawn_M = sampler.sample(item_B, item_B, torch.Generator().manual_seed(0)).shared_N[1:]
    count_I = torch.bincount(drawn_M, minlength=data.n_items).float()
    assert (data.item_count_I()[-6:] == 0).all()
    assert float((count_I / 60_000 - 1 / data.n_items).abs().max()) < 0.004


def test_probabilities_add_up_to_one(data):
    sampler = MixedNegatives(MixedNegatives.Settings(count=3))
    sampler.setup(data, Context())
    chance = {}
    generator = torch.Generator().manual_seed(0)
    for start in range(0, data.n_items, 5):
        item_B = torch.arange(start, start + 5)
        got = sampler.sample(item_B, item_B, generator)
        chance |= dict(zip(got.shared_N.tolist(), got.log_q_N.exp().tolist(), strict=True))
    assert len(chance) == data.n_items
    assert sum(chance.values()) == pytest.approx(1.0, rel=1e-5)


def test_rare_items_come_far_more_often_than_in_the_batch(data):
    sampler = MixedNegatives(MixedNegatives.Settings(count=2_000))
    sampler.setup(data, Context())
    rarest = int(np.flatnonzero(data.item_count_I() == data.item_count_I()[:-6].min())[0])
    item_B = torch.from_numpy(data.train.item_E)
    got = sampler.sample(item_B, item_B, torch.Generator().manual_seed(0))
    uniform_M = got.shared_N[len(item_B) :]
    assert (uniform_M == rarest).float().mean() > 2 * (item_B == rarest).float().mean()


def test_no_interactions_are_refused():
    empty = TrainingData(Histories.from_arrays([], [], n_users=2, n_items=2))
    with pytest.raises(DataError, match="no training interactions"):
        MixedNegatives().setup(empty, Context())


def test_it_is_found_under_its_name():
    assert registry.load("sampler", "mixed-negatives") is MixedNegatives
    assert registry.find("sampler", "mixed-negatives").distribution == "reccli-mixed-negatives"
