"""Blocks give the same values and gradients as one piece, and hold no more than a block."""

from __future__ import annotations

import pytest
import torch

from reccli.nn.blocks import in_blocks, over_negatives
from reccli.testing.inputs import loss_inputs


@pytest.mark.parametrize("rows", [1, 3, 7, 100])
def test_blocks_equal_one_piece(rows):
    x_RD = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    other_D = torch.randn(3, dtype=torch.float64, requires_grad=True)
    sizes = []

    def compute(x_RD, nothing, place_R):
        sizes.append(len(x_RD))
        assert nothing is None
        return (x_RD * other_D).sum(1).exp() * place_R

    got_R = in_blocks(compute, [x_RD, None, torch.arange(7)], rows)
    expected_R = torch.stack([(x_RD[row] @ other_D).exp() * row for row in range(7)])
    torch.testing.assert_close(got_R, expected_R)
    for got, expected in zip(
        torch.autograd.grad(got_R.sum(), [x_RD, other_D]),
        torch.autograd.grad(expected_R.sum(), [x_RD, other_D]),
        strict=True,
    ):
        torch.testing.assert_close(got, expected)
    assert max(sizes) == min(rows, 7)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("block", [1, 13, 1000])
def test_negatives_in_blocks(own, block):
    inputs = loss_inputs(own=own, similarity="cosine")
    shapes = []

    def compute(positive_B, score_BN, known_BN):
        shapes.append(score_BN.numel())
        return (score_BN.masked_fill(known_BN, 0.0)).sum(1) - positive_B

    got_B = over_negatives(inputs, compute, block=block)
    expected_B = inputs.negative_score_BN().masked_fill(inputs.known_BN, 0.0).sum(1) - inputs.positive_score_B()
    torch.testing.assert_close(got_B, expected_B)
    assert max(shapes) <= max(block, 6)
