from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from reccli_dcl import DCL

from reccli import registry
from reccli.testing import LossConformance
from reccli.testing.inputs import loss_inputs
from reccli.testing.oracles import negatives_of, similarity


class TestDCL(LossConformance):
    component = "dcl"


class TestWeightedDCL(LossConformance):
    component = "dcl"
    settings = {"sigma": 0.5}


def literal(inputs, row, temperature, sigma=None):
    name = inputs.similarity.name
    positive = [similarity(name, u, i) for u, i in zip(inputs.user_BD, inputs.positive_BD, strict=True)]
    repulsion = sum((negative / temperature).exp() for _, negative in negatives_of(inputs, row)).log()
    weight = 1.0
    if sigma is not None:
        weight = 2 - (positive[row] / sigma).exp() / (sum((one / sigma).exp() for one in positive) / len(positive))
    return repulsion - weight * positive[row] / temperature


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sigma", [None, 0.5])
@pytest.mark.parametrize("own", [False, True])
def test_equals_the_literal_loop(own, sigma, dtype):
    inputs = loss_inputs(similarity="cosine", own=own, dtype=dtype)
    leaves = [inputs.user_BD, inputs.positive_BD, inputs.negative_BND if own else inputs.negative_ND]
    got_B = DCL(DCL.Settings(temperature=0.5, sigma=sigma))(inputs).value_B
    expected_B = torch.stack([literal(inputs, row, 0.5, sigma) for row in range(5)])
    tolerance = 1e-9 if dtype == torch.float64 else 2e-4
    torch.testing.assert_close(got_B, expected_B, rtol=tolerance, atol=tolerance)
    for got, expected in zip(*(torch.autograd.grad(value.sum(), leaves) for value in (got_B, expected_B)), strict=True):
        torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("sigma", [None, 0.5])
def test_a_row_without_valid_negatives_is_zero_with_finite_gradients(sigma):
    inputs = loss_inputs(similarity="cosine")
    known_BN = inputs.known_BN.clone()
    known_BN[1] = True
    value_B = DCL(DCL.Settings(sigma=sigma))(replace(inputs, known_BN=known_BN)).value_B
    assert value_B[1] == 0.0
    (gradient,) = torch.autograd.grad(value_B[1], inputs.user_BD)
    assert not gradient.any()


def test_easy_positives_keep_their_pull():
    """The gradient on a positive is 1/t however easy it is; InfoNCE's fades away."""
    inputs = loss_inputs(rows=1, similarity="dot", scale=0.1)
    easy_BD = (10 * inputs.user_BD / inputs.user_BD.square().sum()).detach().requires_grad_()
    inputs = replace(inputs, positive_BD=easy_BD, known_BN=torch.zeros_like(inputs.known_BN))
    (pull,) = torch.autograd.grad(DCL()(inputs).value_B.sum(), easy_BD)
    torch.testing.assert_close(pull, -inputs.user_BD / 0.2)
    (faded,) = torch.autograd.grad(registry.create("loss", "infonce")(inputs).value_B.sum(), easy_BD)
    assert faded.norm() < 1e-9 * pull.norm()


def test_it_is_found_under_its_name():
    assert registry.load("loss", "dcl") is DCL
    assert registry.find("loss", "reccli-dcl:dcl").distribution == "reccli-dcl"
