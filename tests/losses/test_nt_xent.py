from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from reccli.api import LossInputs
from reccli.errors import ConfigError
from reccli.losses.nt_xent import NTXent
from reccli.testing import LossConformance
from reccli.testing.inputs import loss_inputs
from reccli.testing.oracles import log_sum_exp, negatives_of, similarity


class TestNTXent(LossConformance):
    component = "nt-xent"


class TestNTXentWithCorrection(LossConformance):
    component = "nt-xent"
    settings = {"log_q": True, "temperature": 0.1}


def literal(inputs: LossInputs, row: int, temperature: float, log_q: bool) -> Tensor:
    positive = similarity(inputs.similarity.name, inputs.user_BD[row], inputs.positive_BD[row]) / temperature
    items, users = [positive], [positive]
    for column, negative in negatives_of(inputs, row):
        chance = len(inputs.negative_ND) * inputs.log_q_N[column].exp() if log_q else torch.ones(())
        items.append(negative / temperature - chance.log())
    if inputs.groups is not None:
        people = list(zip(inputs.groups.user_GD, inputs.groups.known_GN, strict=True))
    else:
        people = list(zip(inputs.user_BD, inputs.known_BN, strict=True))
    for user, known in people:
        if not known[row]:
            users.append(similarity(inputs.similarity.name, user, inputs.negative_ND[row]) / temperature)
    return (log_sum_exp(items) + log_sum_exp(users)) / 2 - positive


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("log_q", [False, True])
@pytest.mark.parametrize("name", ["dot", "cosine", "euclidean"])
def test_equals_the_literal_loop(agrees, name, log_q, dtype):
    inputs = loss_inputs(similarity=name, in_batch=True, dtype=dtype, scale=0.7)
    loss = NTXent(NTXent.Settings(temperature=0.5, log_q=log_q))
    agrees(loss, inputs, lambda data, row: literal(data, row, 0.5, log_q))


def test_users_count_once(agrees, grouped):
    inputs = grouped(loss_inputs(similarity="cosine", in_batch=True, rows=7))
    agrees(NTXent(), inputs, lambda data, row: literal(data, row, 0.2, False))


def test_a_memory_joins_the_items(agrees):
    inputs = loss_inputs(similarity="cosine", in_batch=True)
    more = loss_inputs(similarity="cosine", negatives=3, seed=1)
    joined = replace(
        inputs,
        negative_ND=torch.cat([inputs.negative_ND, more.negative_ND]).detach().requires_grad_(),
        known_BN=torch.cat([inputs.known_BN, more.known_BN], 1),
    )
    agrees(NTXent(), joined, lambda data, row: literal(data, row, 0.2, False))


def test_other_negatives_are_refused():
    with pytest.raises(ConfigError, match="not the batch's own items") as refused:
        NTXent()(loss_inputs(own=True))
    assert refused.value.hint == "--sampler in-batch"
    with pytest.raises(ConfigError, match="no proposal probabilities"):
        NTXent(NTXent.Settings(log_q=True))(replace(loss_inputs(in_batch=True), log_q_N=None))
