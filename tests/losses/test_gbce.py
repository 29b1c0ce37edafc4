from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from reccli.api import LossInputs
from reccli.errors import PluginError
from reccli.losses.gbce import GBCE
from reccli.testing import LossConformance
from reccli.testing.inputs import loss_inputs
from reccli.testing.oracles import negatives_of, similarity


class TestGBCE(LossConformance):
    component = "gbce"


class TestGBCEFullyCalibrated(LossConformance):
    component = "gbce"
    settings = {"calibration": 1.0, "temperature": 0.2}


def literal(inputs: LossInputs, row: int, temperature: float, calibration: float) -> Tensor:
    """The paper's equations, with the sigmoid to the power of beta written out."""
    source = inputs.negative_ND if inputs.negative_ND is not None else inputs.negative_BND[row]
    alpha = min(1.0, len(source) / (inputs.n_items - 1))
    beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
    positive = similarity(inputs.similarity.name, inputs.user_BD[row], inputs.positive_BD[row]) / temperature
    total = ((1 / (1 + (-positive).exp())) ** beta).log()
    negatives = [score / temperature for _, score in negatives_of(inputs, row)]
    for score in negatives:
        total = total + (1 - 1 / (1 + (-score).exp())).log()
    return -total / (len(negatives) + 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("own", "calibration"), [(False, 0.75), (True, 0.0), (True, 1.0)])
@pytest.mark.parametrize("name", ["dot", "cosine", "euclidean"])
def test_equals_the_literal_loop(agrees, name, own, calibration, dtype):
    inputs = replace(loss_inputs(similarity=name, own=own, dtype=dtype, scale=0.7), n_items=40)
    loss = GBCE(GBCE.Settings(temperature=0.5, calibration=calibration))
    agrees(loss, inputs, lambda data, row: literal(data, row, 0.5, calibration))


def test_rows_of_a_user_share_its_negatives(agrees, grouped):
    inputs = replace(grouped(loss_inputs(similarity="cosine")), n_items=40)
    agrees(GBCE(), inputs, lambda data, row: literal(data, row, 1.0, 0.75))


def test_more_draws_than_items_are_plain_cross_entropy():
    inputs = replace(loss_inputs(), n_items=3)
    calibrated, plain = (GBCE(GBCE.Settings(calibration=share))(inputs).value_B for share in (1.0, 0.0))
    torch.testing.assert_close(calibrated, plain)


def test_unknown_number_of_items_is_refused():
    with pytest.raises(PluginError, match="n_items"):
        GBCE()(replace(loss_inputs(), n_items=0))
