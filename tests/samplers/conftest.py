"""What the tests of all samplers share."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from reccli.api import Context, TrainingData
from reccli.testing.inputs import skewed_data

torch.set_num_threads(1)


@pytest.fixture
def data() -> TrainingData:
    """Long-tailed data whose last six of 30 items are cold."""
    return skewed_data()


@pytest.fixture
def ready(data):
    """Set a sampler up and hand it back."""

    def setup(sampler):
        sampler.setup(data, Context(seed=3))
        return sampler

    return setup


@pytest.fixture
def follows():
    """Compare drawn codes with probabilities by a chi-square test at 1e-4 (seeds are fixed, so it never flickers)."""

    def check(code, probability_I):
        count_I = torch.bincount(code.flatten(), minlength=len(probability_I)).numpy()
        possible_I = probability_I > 0
        assert count_I[~possible_I].sum() == 0
        expected_I = probability_I[possible_I] * count_I.sum()
        assert stats.chisquare(count_I[possible_I], expected_I).pvalue > 1e-4

    return check
