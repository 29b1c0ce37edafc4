from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from reccli.api import LossInputs, Similarity
from reccli.errors import PluginError
from reccli.losses.warp import WARP
from reccli.testing import LossConformance
from reccli.testing.inputs import loss_inputs
from reccli.testing.oracles import negatives_of, similarity


class TestWARP(LossConformance):
    component = "warp"


class TestWARPWideMargin(LossConformance):
    component = "warp"
    settings = {"margin": 1.5}


def harmonic(rank: float) -> float:
    """The integral of (1 - x^r) / (1 - x) from 0 to 1, by the midpoint rule: 1 + 1/2 + ... + 1/r for whole r."""
    steps = 20_000
    points = [(step + 0.5) / steps for step in range(steps)]
    return math.fsum((1 - x**rank) / (1 - x) for x in points) / steps


def literal(inputs: LossInputs, row: int, margin: float) -> Tensor:
    positive = similarity(inputs.similarity.name, inputs.user_BD[row], inputs.positive_BD[row])
    hinges = [score - positive + margin for _, score in negatives_of(inputs, row)]
    violating = [hinge for hinge in hinges if hinge > 0]
    if not violating:
        return 0 * positive
    rank = (inputs.n_items - 1) * len(violating) / len(hinges)
    return harmonic(rank) * sum(violating) / len(violating)


def test_harmonic_numbers_of_the_oracle():
    assert harmonic(3.0) == pytest.approx(1 + 1 / 2 + 1 / 3, abs=1e-6)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", ["dot", "cosine", "euclidean"])
def test_equals_the_literal_loop(name, own):
    inputs = replace(loss_inputs(similarity=name, own=own, scale=0.7), n_items=40)
    got_B = WARP(WARP.Settings(margin=0.5))(inputs).value_B
    expected_B = torch.stack([literal(inputs, row, 0.5) for row in range(len(got_B))])
    torch.testing.assert_close(got_B, expected_B, rtol=1e-3, atol=1e-6)  # the oracle's integral has such an error
    leaves = [inputs.user_BD, inputs.positive_BD]
    for got, expected in zip(
        torch.autograd.grad(got_B.sum(), leaves), torch.autograd.grad(expected_B.sum(), leaves), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-6)


def test_whole_ranks_have_the_papers_weights():
    """Among ten draws three violate; of eleven items that is rank 3, whose weight is 1 + 1/2 + 1/3."""
    score_N = torch.tensor([0.9, 0.5, 0.3, -0.2, -0.3, -0.4, -0.5, -0.6, -0.7, -0.8], dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    inputs = LossInputs(
        user_BD=one[:, None],
        positive_BD=0.1 * one[:, None],
        similarity=Similarity(),
        item_B=torch.zeros(1, dtype=torch.int64),
        target_B=one,
        weight_B=one,
        negative_ND=score_N[:, None],
        n_items=11,
    )
    expected = (1 + 1 / 2 + 1 / 3) * ((0.9 + 0.1) + (0.5 + 0.1) + (0.3 + 0.1)) / 3
    assert WARP(WARP.Settings(margin=0.2))(inputs).value_B.tolist() == pytest.approx([expected])


def test_unknown_number_of_items_is_refused():
    with pytest.raises(PluginError, match="n_items"):
        WARP()(replace(loss_inputs(), n_items=0))
