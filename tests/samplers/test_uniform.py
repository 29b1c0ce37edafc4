from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from reccli.api import Context, Histories, TrainingData
from reccli.errors import DataError
from reccli.samplers.uniform import Uniform
from reccli.testing import SamplerConformance

ROW = torch.tensor([0, 1, 2])


class TestUniform(SamplerConformance):
    component = "uniform"


class TestOwnUniform(SamplerConformance):
    component = "uniform"
    settings = {"own": 3}


@pytest.mark.parametrize("settings", [{"count": 20_000}, {"own": 7_000}])
def test_draws_all_seen_items_alike(ready, data, follows, settings):
    got = ready(Uniform(Uniform.Settings(**settings))).sample(ROW, ROW, torch.Generator().manual_seed(0))
    code = got.own_BN if "own" in settings else got.shared_N
    seen_I = data.item_count_I() > 0
    follows(code, seen_I / seen_I.sum())


def test_shared_negatives_know_their_probability(ready, data):
    got = ready(Uniform(Uniform.Settings(count=5))).sample(ROW, ROW, torch.Generator().manual_seed(0))
    assert got.shared_N.shape == (5,)
    assert got.own_BN is None
    assert got.log_q_N.tolist() == pytest.approx([-math.log(np.count_nonzero(data.item_count_I()))] * 5)


def test_own_negatives_are_one_set_per_row(ready):
    got = ready(Uniform(Uniform.Settings(own=4))).sample(ROW, ROW, torch.Generator().manual_seed(0))
    assert got.own_BN.shape == (3, 4)
    assert got.shared_N is None
    assert got.log_q_N is None


def test_no_interactions_are_refused():
    empty = TrainingData(Histories.from_arrays([], [], n_users=2, n_items=2))
    with pytest.raises(DataError, match="no training interactions"):
        Uniform().setup(empty, Context())
