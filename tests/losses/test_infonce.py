from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from reccli.api import LossInputs, Similarity
from reccli.errors import ConfigError
from reccli.losses.infonce import InfoNCE
from reccli.losses.softmax import Softmax
from reccli.testing import LossConformance
from reccli.testing.inputs import loss_inputs
from reccli.testing.oracles import log_sum_exp, negatives_of, similarity


class TestInfoNCE(LossConformance):
    component = "infonce"


class TestInfoNCEWithCorrection(LossConformance):
    component = "infonce"
    settings = {"log_q": True, "temperature": 0.1}
    own_negatives = False


def literal(inputs: LossInputs, row: int, temperature: float, log_q: bool = False) -> Tensor:
    positive = similarity(inputs.similarity.name, inputs.user_BD[row], inputs.positive_BD[row]) / temperature
    terms = [positive]
    for column, negative in negatives_of(inputs, row):
        count = len(inputs.negative_ND) if log_q else 1
        chance = count * inputs.log_q_N[column].exp() if log_q else 1.0
        terms.append(negative / temperature - torch.as_tensor(chance).log())
    return log_sum_exp(terms) - positive


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", ["dot", "cosine", "euclidean"])
def test_equals_the_literal_loop(agrees, name, own, dtype):
    inputs = loss_inputs(similarity=name, own=own, dtype=dtype, scale=0.7)
    agrees(InfoNCE(InfoNCE.Settings(temperature=0.5)), inputs, lambda data, row: literal(data, row, 0.5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_q_equals_the_literal_loop(agrees, dtype):
    inputs = loss_inputs(similarity="cosine", dtype=dtype)
    loss = InfoNCE(InfoNCE.Settings(temperature=0.5, log_q=True))
    agrees(loss, inputs, lambda data, row: literal(data, row, 0.5, log_q=True))


def test_log_q_without_probabilities_is_refused():
    with pytest.raises(ConfigError, match="log_q=true"):
        InfoNCE(InfoNCE.Settings(log_q=True))(loss_inputs(own=True))


def test_log_q_makes_it_the_full_softmax():
    """With very many negatives drawn by any distribution, the corrected loss is the softmax over the catalogue."""
    table = loss_inputs(needs=frozenset({"table"}), similarity="cosine", rows=4, items=8)
    table = replace(table, positive_BD=table.table_ID[table.item_B])
    q_I = torch.tensor([8.0, 1, 4, 2, 1, 1, 6, 3], dtype=torch.float64) / 26
    draw_N = torch.multinomial(q_I, 200_000, replacement=True, generator=torch.Generator().manual_seed(0))
    known_BN = table.known_BI[:, draw_N] | (draw_N == table.item_B.unsqueeze(1))
    sampled = replace(
        table,
        table_ID=None,
        known_BI=None,
        negative_ND=table.table_ID[draw_N],
        known_BN=known_BN,
        log_q_N=q_I[draw_N].log(),
    )
    corrected_B = InfoNCE(InfoNCE.Settings(log_q=True))(sampled).value_B
    full_B = Softmax()(table).value_B
    torch.testing.assert_close(corrected_B, full_B, rtol=0.01, atol=0.01)


def test_in_batch_negatives_of_one_row_cost_nothing():
    one = torch.randn(1, 4, requires_grad=True)
    inputs = LossInputs(
        user_BD=one,
        positive_BD=one * 2,
        similarity=Similarity("cosine"),
        item_B=torch.tensor([3]),
        target_B=torch.ones(1),
        weight_B=torch.ones(1),
        negative_ND=one * 2,
        known_BN=torch.tensor([[True]]),
    )
    value_B = InfoNCE()(inputs).value_B
    value_B.sum().backward()
    assert value_B.tolist() == [0.0]
    assert one.grad.abs().max() < 1e-6


def test_half_precision_is_computed_in_float32():
    inputs = loss_inputs(dtype=torch.float32, similarity="cosine")
    half = replace(inputs, user_BD=inputs.user_BD.half(), negative_ND=inputs.negative_ND.bfloat16())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value_B = InfoNCE()(half).value_B
    assert value_B.dtype == torch.float32
    torch.testing.assert_close(value_B, InfoNCE()(inputs).value_B, rtol=0.05, atol=0.05)
