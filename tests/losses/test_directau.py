from __future__ import annotations

import math

import pytest
import torch

from reccli.losses.directau import DirectAU
from reccli.testing import LossConformance
from reccli.testing.inputs import loss_inputs

NOTHING = frozenset()


class TestDirectAU(LossConformance):
    component = "directau"


class TestDirectAUInBlocks(LossConformance):
    component = "directau"
    settings = {"gamma": 3.0, "block": 4}


def unit(vector_D):
    return vector_D / math.sqrt(sum(float(x.detach()) ** 2 for x in vector_D))


def potential(vectors, sharpness):
    pairs = [
        math.exp(-sharpness * float((a - b).square().sum()))
        for i, a in enumerate(vectors)
        for j, b in enumerate(vectors)
        if i != j
    ]
    return math.log(math.fsum(pairs) / len(pairs)) if pairs else 0.0


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_equals_the_literal_loop(block):
    inputs = loss_inputs(needs=NOTHING, rows=8, items=5)
    with torch.no_grad():  # one item has one vector
        inputs.positive_BD.copy_(torch.randn(5, 4, dtype=torch.float64)[inputs.item_B])
    output = DirectAU(DirectAU.Settings(gamma=0.7, sharpness=1.5, block=block))(inputs)
    users = [unit(vector) for vector in inputs.user_BD.detach()]
    items = {int(code): unit(vector) for code, vector in zip(inputs.item_B, inputs.positive_BD.detach(), strict=True)}
    assert len(items) < 8
    for row, value in enumerate(output.value_B.tolist()):
        assert value == pytest.approx(float((users[row] - items[int(inputs.item_B[row])]).square().sum()))
    expected = 0.7 / 2 * (potential(users, 1.5) + potential(list(items.values()), 1.5))
    assert float(output.terms["uniformity"].detach()) == pytest.approx(expected, rel=1e-12)


def test_blocks_have_the_same_gradients():
    inputs = loss_inputs(needs=NOTHING, rows=9)
    leaves = [inputs.user_BD, inputs.positive_BD]
    found = []
    for block in (10, 1000):
        output = DirectAU(DirectAU.Settings(block=block))(inputs)
        found.append(torch.autograd.grad(output.total(inputs.weight_B), leaves))
    for got, expected in zip(*found, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_users_of_groups_count_once(grouped):
    inputs = grouped(loss_inputs(needs=NOTHING, rows=8))
    users = [unit(vector) for vector in inputs.groups.user_GD.detach()]
    items = {}
    for code, vector in zip(inputs.item_B.tolist(), inputs.positive_BD.detach(), strict=True):
        items.setdefault(code, []).append(vector)
    means = [unit(sum(rows) / len(rows)) for rows in items.values()]
    got = DirectAU(DirectAU.Settings(gamma=2.0))(inputs).terms["uniformity"]
    assert float(got.detach()) == pytest.approx(potential(users, 2.0) + potential(means, 2.0), rel=1e-12)


def test_lengths_do_not_matter():
    inputs = loss_inputs(needs=NOTHING)
    before = DirectAU()(inputs)
    with torch.no_grad():
        inputs.user_BD.mul_(3.0)
    torch.testing.assert_close(DirectAU()(inputs).total(inputs.weight_B), before.total(inputs.weight_B))
