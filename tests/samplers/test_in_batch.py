from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.api import Context, Histories, TrainingData
from reccli.errors import DataError
from reccli.samplers.in_batch import InBatch
from reccli.testing import SamplerConformance


class TestInBatch(SamplerConformance):
    component = "in-batch"


def test_the_negatives_are_the_batch(ready, data):
    item_B = torch.tensor([3, 0, 3])
    got = ready(InBatch()).sample(torch.tensor([0, 1, 2]), item_B, torch.Generator())
    assert got.in_batch
    assert got.shared_N.tolist() == [3, 0, 3]
    share = [np.count_nonzero(data.train.item_E == item) / len(data.train) for item in (3, 0, 3)]
    assert got.log_q_N.exp().tolist() == pytest.approx(share, rel=1e-5)


def test_nothing_is_drawn(ready):
    generator = torch.Generator().manual_seed(0)
    state = generator.get_state()
    ready(InBatch()).sample(torch.tensor([0]), torch.tensor([0]), generator)
    assert torch.equal(generator.get_state(), state)


def test_no_interactions_are_refused():
    empty = TrainingData(Histories.from_arrays([], [], n_users=2, n_items=2))
    with pytest.raises(DataError, match="no training interactions"):
        InBatch().setup(empty, Context())
