from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from reccli.api import LossInputs
from reccli.errors import ConfigError
from reccli.losses.bsl import BSL
from reccli.testing import LossConformance
from reccli.testing.inputs import loss_inputs
from reccli.testing.oracles import negatives_of, similarity


class TestBSL(LossConformance):
    component = "bsl"


class TestBSLWithEverything(LossConformance):
    component = "bsl"
    settings = {"radius": 1.0, "log_q": True, "positive_temperature": 0.5}
    own_negatives = False


def score(inputs: LossInputs, row: int) -> Tensor:
    return similarity(inputs.similarity.name, inputs.user_BD[row], inputs.positive_BD[row])


def literal(inputs: LossInputs, row: int, t: float, p: float, log_q: bool = False) -> Tensor:
    rows = [row]
    if inputs.groups is not None:
        rows = [other for other, place in enumerate(inputs.groups.place_B) if place == inputs.groups.place_B[row]]
    positive = p * (sum((score(inputs, other) / p).exp() for other in rows) / len(rows)).log()
    weights, terms = [], []
    for column, negative in negatives_of(inputs, row):
        weights.append(math.exp(-float(inputs.log_q_N[column])) if log_q else 1.0)
        terms.append(weights[-1] * (negative / t).exp())
    return (t * (sum(terms) / sum(weights)).log() if terms else 0) - positive


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", ["dot", "cosine", "euclidean"])
def test_equals_the_literal_loop(agrees, name, own, dtype):
    inputs = loss_inputs(similarity=name, own=own, dtype=dtype, scale=0.5)
    exact = math.exp(float(BSL(BSL.Settings(temperature=0.5)).log_temperature))  # a float32 parameter
    agrees(BSL(BSL.Settings(temperature=0.5)), inputs, lambda data, row: literal(data, row, exact, 0.2))


@pytest.mark.parametrize("log_q", [False, True])
def test_positives_of_a_user_come_together(agrees, grouped, log_q):
    inputs = grouped(loss_inputs(similarity="cosine", rows=7))
    loss = BSL(BSL.Settings(temperature=1.0, positive_temperature=0.3, log_q=log_q))
    agrees(loss, inputs, lambda data, row: literal(data, row, 1.0, 0.3, log_q))


def test_a_positive_that_does_not_fit_counts_less(grouped):
    inputs = grouped(loss_inputs(similarity="cosine", rows=7))
    (gradient_BD,) = torch.autograd.grad(
        BSL(BSL.Settings(positive_temperature=0.05))(inputs).value_B.sum(), inputs.positive_BD
    )
    place_B, score_B = inputs.groups.place_B, inputs.positive_score_B()
    rows = (place_B == place_B[0]).nonzero().flatten()
    best, worst = rows[score_B[rows].argmax()], rows[score_B[rows].argmin()]
    assert gradient_BD[worst].norm() < 0.1 * gradient_BD[best].norm()


def test_the_learned_temperature_tilts_by_the_radius():
    """At the best temperature, the tilted negatives are as far from the even ones as the radius says."""
    inputs = replace(loss_inputs(similarity="cosine", rows=1, negatives=400), known_BN=None)
    loss = BSL(BSL.Settings(radius=0.8, temperature=1.0))
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        loss(inputs).total(inputs.weight_B).backward()
        optimizer.step()
    share_N = (inputs.negative_score_BN()[0] / loss.log_temperature.exp()).softmax(0)
    divergence = float((share_N * (share_N * 400).log()).sum().detach())
    assert divergence == pytest.approx(0.8, abs=0.01)
    assert not BSL().log_temperature.requires_grad


def test_log_q_without_probabilities_is_refused():
    with pytest.raises(ConfigError, match="log_q=true"):
        BSL(BSL.Settings(log_q=True))(loss_inputs(own=True))
