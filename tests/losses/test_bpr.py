from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from reccli.api import LossInputs
from reccli.losses.bpr import BPR
from reccli.testing import LossConformance
from reccli.testing.inputs import loss_inputs
from reccli.testing.oracles import negatives_of, similarity


class TestBPR(LossConformance):
    component = "bpr"


class TestColdBPR(LossConformance):
    component = BPR
    settings = {"temperature": 0.3}


def literal(inputs: LossInputs, row: int, temperature: float) -> Tensor:
    positive = similarity(inputs.similarity.name, inputs.user_BD[row], inputs.positive_BD[row])
    terms = []
    for _, negative in negatives_of(inputs, row):
        chance = 1 / (1 + (-(positive - negative) / temperature).exp())
        terms.append(-chance.log())
    return sum(terms) / len(terms) if terms else 0.0 * positive


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", ["dot", "cosine", "euclidean"])
def test_equals_the_literal_loop(agrees, name, own, dtype):
    inputs = loss_inputs(similarity=name, own=own, dtype=dtype, scale=0.7)
    agrees(BPR(BPR.Settings(temperature=0.5)), inputs, lambda data, row: literal(data, row, 0.5))


@pytest.mark.parametrize("name", ["dot", "cosine", "euclidean"])
def test_users_scored_once_equal_the_literal_loop(agrees, grouped, name):
    inputs = grouped(loss_inputs(similarity=name, rows=7))
    agrees(BPR(BPR.Settings(temperature=0.5)), inputs, lambda data, row: literal(data, row, 0.5))


def test_a_row_without_valid_negatives_is_zero_with_zero_gradients():
    inputs = loss_inputs()
    known_BN = inputs.known_BN.clone()
    known_BN[2] = True
    value_B = BPR()(replace(inputs, known_BN=known_BN)).value_B
    assert value_B[2] == 0.0
    assert (value_B[[0, 1, 3, 4]] > 0).all()
    (gradient,) = torch.autograd.grad(value_B[2], inputs.user_BD)
    assert not gradient.any()


def test_equal_scores_cost_log_two():
    one = torch.ones(3, 2, dtype=torch.float64)
    inputs = replace(loss_inputs(rows=3, size=2), user_BD=one, positive_BD=one, negative_ND=torch.ones(6, 2).double())
    torch.testing.assert_close(BPR()(inputs).value_B, torch.full((3,), 2.0).double().log())
