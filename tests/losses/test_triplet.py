from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reccli.api import LossInputs
from reccli.losses.triplet import Triplet
from reccli.testing import LossConformance
from reccli.testing.inputs import loss_inputs
from reccli.testing.oracles import negatives_of, similarity


class TestTriplet(LossConformance):
    component = "triplet"


class TestTripletHardest(LossConformance):
    component = "triplet"
    settings = {"hardest": True, "margin": 1.0}


def literal(inputs: LossInputs, row: int, margin: float, hardest: bool) -> Tensor:
    positive = similarity(inputs.similarity.name, inputs.user_BD[row], inputs.positive_BD[row])
    hinges = [score - positive + margin for _, score in negatives_of(inputs, row)]
    hinges = [hinge if hinge > 0 else 0 * hinge for hinge in hinges]
    if not hinges:
        return 0 * positive
    return max(hinges, key=float) if hardest else sum(hinges) / len(hinges)


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("hardest", [False, True])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", ["dot", "cosine", "euclidean"])
def test_equals_the_literal_loop(agrees, name, own, hardest, dtype):
    inputs = loss_inputs(similarity=name, own=own, dtype=dtype, scale=0.7)
    loss = Triplet(Triplet.Settings(margin=0.5, hardest=hardest))
    agrees(loss, inputs, lambda data, row: literal(data, row, 0.5, hardest))
