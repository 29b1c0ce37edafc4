"""The losses' kit finds the fault of each of these losses."""

from __future__ import annotations

import pytest
import torch

from reccli.api import Loss, LossOutput
from reccli.losses.bpr import BPR
from reccli.testing import LossConformance


class WrongNeeds(BPR):
    """Needs what nobody has."""

    needs = frozenset({"negatives", "moonlight"})


class Double(BPR):
    """Gives float64 for float32."""

    def compute(self, inputs):
        return LossOutput(super().compute(inputs).value_B.double())


class FirstRowCounts(BPR):
    """Adds the first row to each."""

    def compute(self, inputs):
        value_B = super().compute(inputs).value_B
        return LossOutput(value_B + value_B[0])


class FirstNegativeAlone(BPR):
    """Looks at the first negative only."""

    def compute(self, inputs):
        difference_BN = inputs.negative_score_BN() - inputs.positive_score_B().unsqueeze(1)
        return LossOutput(torch.nn.functional.softplus(difference_BN)[:, :1].sum(1))


class Unmasked(BPR):
    """Forgets the mask."""

    def compute(self, inputs):
        each_BN = torch.nn.functional.softplus(inputs.negative_score_BN() - inputs.positive_score_B().unsqueeze(1))
        return LossOutput(each_BN.sum(1) / max(each_BN.shape[1], 1))


class DividesByZero(BPR):
    """Divides by the number of negatives, which may be zero."""

    def compute(self, inputs):
        each_BN = torch.nn.functional.softplus(inputs.negative_score_BN() - inputs.positive_score_B().unsqueeze(1))
        known_BN = torch.zeros_like(each_BN, dtype=torch.bool) if inputs.known_BN is None else inputs.known_BN
        return LossOutput(each_BN.masked_fill(known_BN, 0.0).sum(1) / (~known_BN).sum(1))


class Overflows(BPR):
    """Takes an exponential of a score in float32."""

    def compute(self, inputs):
        ratio_BN = (inputs.negative_score_BN() - inputs.positive_score_B().unsqueeze(1)).exp()
        return LossOutput(self.mean_over_negatives((1 + ratio_BN).log(), inputs.known_BN))


class UpsideDown(BPR):
    """Gives a value whose gradient is another's."""

    def compute(self, inputs):
        value_B = super().compute(inputs).value_B
        return LossOutput(2 * value_B.detach() - value_B)


class Constant(Loss):
    """Cares for nothing."""

    def compute(self, inputs):
        return LossOutput(inputs.user_BD.sum(1) * 0)


class Random(BPR):
    """Draws from the global generator."""

    def compute(self, inputs):
        return LossOutput(super().compute(inputs).value_B + torch.rand(()))


@pytest.mark.parametrize(
    ("component", "check", "match"),
    [
        (WrongNeeds, "test_is_a_loss", "moonlight"),
        (Double, "test_one_finite_value_per_row", "float32 in, torch.float64 out"),
        (FirstRowCounts, "test_rows_may_stand_in_any_order", "rows were permuted"),
        (FirstNegativeAlone, "test_negatives_may_stand_in_any_order", "negatives were permuted"),
        (Unmasked, "test_known_positives_are_left_out", "a known positive in negative_ND was moved"),
        (DividesByZero, "test_without_valid_negatives", "not finite without negatives"),
        (Overflows, "test_gradients_are_finite", "is not finite at scale 100"),
        (UpsideDown, "test_training_lowers_it", "a step against the gradient"),
        (Constant, "test_training_lowers_it", "no embedding gets a gradient"),
        (Random, "test_is_deterministic", "values changed"),
    ],
)
def test_a_fault_is_found(fails, component, check, match):
    fails(LossConformance, component, check, match)


def test_a_good_loss_passes_every_check(passes):
    assert len(passes(LossConformance, BPR)) == 15
