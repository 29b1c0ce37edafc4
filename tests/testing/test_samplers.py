"""The samplers' kit finds the fault of each of these samplers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reccli.api import Negatives
from reccli.samplers.uniform import Uniform
from reccli.testing import SamplerConformance


class Thirty(Uniform):
    """Draws cold items as well."""

    def setup(self, data, context):
        self._seen_S = torch.arange(data.n_items)


class Narrow(Uniform):
    """Gives int32 codes."""

    def sample(self, user_B, item_B, generator):
        got = super().sample(user_B, item_B, generator)
        return replace(got, shared_N=got.shared_N.int())


class Outside(Uniform):
    """Gives codes outside the catalogue."""

    def sample(self, user_B, item_B, generator):
        got = super().sample(user_B, item_B, generator)
        return replace(got, shared_N=got.shared_N + 30)


class Both(Uniform):
    """Gives shared and own negatives."""

    def sample(self, user_B, item_B, generator):
        return Negatives(shared_N=item_B, own_BN=item_B.unsqueeze(1))


class Flat(Uniform):
    """Gives own negatives without a row each."""

    def sample(self, user_B, item_B, generator):
        return Negatives(own_BN=item_B.unsqueeze(0).repeat(len(item_B) + 1, 1))


class GlobalDraws(Uniform):
    """Draws from torch's own generator."""

    def sample(self, user_B, item_B, generator):
        return super().sample(user_B, item_B, None)


class AlwaysTheSame(Uniform):
    """Ignores the generator."""

    def sample(self, user_B, item_B, generator):
        return super().sample(user_B, item_B, torch.Generator().manual_seed(0))


class WrongOdds(Uniform):
    """Says other probabilities than it draws by."""

    def sample(self, user_B, item_B, generator):
        got = super().sample(user_B, item_B, generator)
        return replace(got, log_q_N=got.log_q_N - 0.2 * (got.shared_N % 2))


class NotTheBatch(Uniform):
    """Calls other items the batch."""

    def sample(self, user_B, item_B, generator):
        return Negatives(shared_N=item_B.flip(0) + 1, in_batch=True)


@pytest.mark.parametrize(
    ("component", "check", "match"),
    [
        (str, "test_is_a_sampler", "not a subclass"),
        (Narrow, "test_shapes", "int32"),
        (Outside, "test_shapes", "outside the catalogue"),
        (Both, "test_shapes", "both shared and own"),
        (Flat, "test_shapes", "own_BN"),
        (NotTheBatch, "test_shapes", "in_batch is not the batch|outside"),
        (GlobalDraws, "test_generator_decides", "the same generator gives other draws"),
        (AlwaysTheSame, "test_generator_decides", "another generator gives the same draws"),
        (Thirty, "test_cold_items_are_never_drawn", "no training interactions"),
        (WrongOdds, "test_log_q_is_what_is_drawn", "log_q_N says"),
    ],
)
def test_a_fault_is_found(fails, component, check, match):
    fails(SamplerConformance, component, check, match)


def test_a_good_sampler_passes_every_check(passes):
    assert len(passes(SamplerConformance, Uniform, settings={"count": 64})) == 10


def test_a_sampler_may_say_that_it_draws_cold_items(passes):
    ran = passes(SamplerConformance, Thirty, draws_cold=True)
    assert "test_cold_items_are_never_drawn" not in ran
