from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from reccli.api import LossInputs
from reccli.errors import PluginError
from reccli.losses.softmax import Softmax
from reccli.nn import log_sum
from reccli.testing import LossConformance
from reccli.testing.inputs import loss_inputs
from reccli.testing.oracles import log_sum_exp, similarity

TABLE = frozenset({"table"})


class TestSoftmax(LossConformance):
    component = "softmax"


class TestSoftmaxInBlocks(LossConformance):
    component = "softmax"
    settings = {"block": 20, "temperature": 0.5}


class TestSoftmaxUnmasked(LossConformance):
    component = "softmax"
    settings = {"mask_known": False}


def literal(inputs: LossInputs, row: int, temperature: float, mask_known: bool) -> Tensor:
    terms = {}
    for item, vector in enumerate(inputs.table_ID):
        if not (mask_known and inputs.known_BI is not None and inputs.known_BI[row, item]):
            terms[item] = similarity(inputs.similarity.name, inputs.user_BD[row], vector) / temperature
    return log_sum_exp(list(terms.values())) - terms[int(inputs.item_B[row])]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mask_known", [True, False])
@pytest.mark.parametrize("block", [9, 20, 1000])
@pytest.mark.parametrize("name", ["dot", "cosine", "euclidean"])
def test_equals_the_literal_loop(agrees, name, block, mask_known, dtype):
    inputs = loss_inputs(needs=TABLE, similarity=name, dtype=dtype, scale=0.7)
    loss = Softmax(Softmax.Settings(temperature=0.5, mask_known=mask_known, block=block))
    agrees(loss, inputs, lambda data, row: literal(data, row, 0.5, mask_known))


def test_a_mask_that_was_not_given_masks_nothing(agrees):
    inputs = replace(loss_inputs(needs=TABLE), known_BI=None)
    agrees(Softmax(Softmax.Settings(temperature=1.0)), inputs, lambda data, row: literal(data, row, 1.0, True))


def test_the_setting_decides_whether_a_mask_is_asked_for():
    assert Softmax().masks_table is True
    assert Softmax(Softmax.Settings(mask_known=False)).masks_table is False


def test_a_user_who_knows_all_the_rest_costs_nothing():
    inputs = loss_inputs(needs=TABLE)
    known_BI = torch.ones_like(inputs.known_BI)
    known_BI[torch.arange(5), inputs.item_B] = False
    value_B = Softmax()(replace(inputs, known_BI=known_BI)).value_B
    (gradient,) = torch.autograd.grad(value_B.sum(), inputs.table_ID)
    torch.testing.assert_close(value_B, torch.zeros(5, dtype=torch.float64))
    assert gradient.abs().max() < 1e-12


def test_the_setting_bounds_the_scores_held(monkeypatch):
    sizes = []
    shares = log_sum._shares
    monkeypatch.setattr(
        log_sum,
        "_shares",
        lambda user, item, *rest: (sizes.append(len(user) * len(item)), shares(user, item, *rest))[1],
    )
    inputs = loss_inputs(needs=TABLE, rows=50, items=30)
    Softmax(Softmax.Settings(block=100))(inputs).value_B.sum().backward()
    assert max(sizes) <= 100
    assert sum(sizes) == 2 * 50 * 30  # once forward, once again for the gradient


def test_missing_table_names_the_contract():
    with pytest.raises(PluginError, match="table_ID"):
        Softmax()(loss_inputs())


@pytest.mark.parametrize("block", [9, 20, 1000])
def test_groups_in_blocks_equal_the_literal_loop(agrees, grouped, block):
    inputs = grouped(loss_inputs(needs=TABLE, similarity="cosine", rows=7))
    known_GI = inputs.known_BI[:3].clone()
    known_GI[inputs.groups.place_B, inputs.item_B] = False
    inputs = replace(inputs, groups=replace(inputs.groups, known_GN=known_GI), known_BI=known_GI[inputs.groups.place_B])
    loss = Softmax(Softmax.Settings(temperature=0.5, block=block))
    agrees(loss, inputs, lambda data, row: literal(data, row, 0.5, True))
