from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.api import Context, Histories, TrainingData
from reccli.errors import DataError
from reccli.samplers.mixed import Mixed
from reccli.testing import SamplerConformance


class TestMixed(SamplerConformance):
    component = "mixed"
    settings = {"count": 24}


class TestMixedByPopularity(SamplerConformance):
    component = "mixed"
    settings = {"count": 5, "alpha": 0.5}


def expected_I(data, alpha):
    count = {item: np.count_nonzero(data.train.item_E == item) for item in range(data.n_items)}
    total = sum(number**alpha for number in count.values() if number)
    return np.array([count[item] ** alpha / total if count[item] else 0.0 for item in range(data.n_items)])


@pytest.mark.parametrize("alpha", [0.0, 0.75])
def test_the_batch_comes_first_then_draws(ready, data, follows, alpha):
    item_B = torch.tensor([3, 0, 3])
    sampler = ready(Mixed(Mixed.Settings(count=20_000, alpha=alpha)))
    got = sampler.sample(item_B, item_B, torch.Generator().manual_seed(0))
    assert got.shared_N[:3].tolist() == [3, 0, 3]
    assert not got.in_batch
    follows(got.shared_N[3:], expected_I(data, alpha))


@pytest.mark.parametrize("batch", [1, 7])
def test_probabilities_are_the_mixtures(ready, data, batch):
    item_B = torch.arange(batch)
    got = ready(Mixed(Mixed.Settings(count=5, alpha=0.3))).sample(item_B, item_B, torch.Generator().manual_seed(0))
    chance_I = (batch * expected_I(data, 1.0) + 5 * expected_I(data, 0.3)) / (batch + 5)
    assert got.log_q_N.exp().tolist() == pytest.approx(chance_I[got.shared_N].tolist(), rel=1e-5)


def test_no_interactions_are_refused():
    empty = TrainingData(Histories.from_arrays([], [], n_users=2, n_items=2))
    with pytest.raises(DataError, match="no training interactions"):
        Mixed().setup(empty, Context())
