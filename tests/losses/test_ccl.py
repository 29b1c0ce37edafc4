from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reccli.api import LossInputs
from reccli.losses.ccl import CCL
from reccli.testing import LossConformance
from reccli.testing.inputs import loss_inputs
from reccli.testing.oracles import negatives_of, similarity


class TestCCL(LossConformance):
    component = "ccl"


class TestCCLWithoutMargin(LossConformance):
    component = "ccl"
    settings = {"margin": 0.0, "negative_weight": 1.0}


def literal(inputs: LossInputs, row: int, margin: float, weight: float) -> Tensor:
    positive = similarity(inputs.similarity.name, inputs.user_BD[row], inputs.positive_BD[row])
    zero = torch.zeros_like(positive)
    hinges = [torch.maximum(zero, score - margin) for _, score in negatives_of(inputs, row)]
    mean = sum(hinges, zero) / max(len(hinges), 1)
    return torch.maximum(zero, 1 - positive) + weight * mean


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", ["dot", "cosine", "euclidean"])
def test_equals_the_literal_loop(agrees, name, own, dtype):
    inputs = loss_inputs(similarity=name, own=own, dtype=dtype, scale=0.7)
    loss = CCL(CCL.Settings(margin=0.2, negative_weight=3.0))
    agrees(loss, inputs, lambda data, row: literal(data, row, 0.2, 3.0))


def test_rows_of_a_user_share_its_negatives(agrees, grouped):
    loss = CCL(CCL.Settings(margin=0.2, negative_weight=3.0))
    agrees(loss, grouped(loss_inputs(similarity="cosine")), lambda data, row: literal(data, row, 0.2, 3.0))


def test_a_negative_below_the_margin_costs_nothing():
    inputs = loss_inputs(similarity="cosine", negatives=200)
    value_B = CCL(CCL.Settings(margin=1.0)).compute(inputs).value_B
    torch.testing.assert_close(value_B, 1 - inputs.positive_score_B())
