from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from reccli.api import LossInputs
from reccli.losses.bce import BCE
from reccli.testing import LossConformance
from reccli.testing.inputs import loss_inputs
from reccli.testing.oracles import negatives_of, similarity

LABELS = frozenset({"labels"})


class TestBCE(LossConformance):
    component = "bce"


class TestWeightedBCE(LossConformance):
    component = "bce"
    settings = {"temperature": 0.2, "negative_weight": 5.0}


def literal(inputs: LossInputs, row: int, temperature: float, weight: float) -> Tensor:
    def chance(score: Tensor) -> Tensor:
        return 1 / (1 + (-score / temperature).exp())

    positive = similarity(inputs.similarity.name, inputs.user_BD[row], inputs.positive_BD[row])
    terms = [-(1 - chance(negative)).log() for _, negative in negatives_of(inputs, row)]
    return -chance(positive).log() + (weight * sum(terms) / len(terms) if terms else 0.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", ["dot", "cosine", "euclidean"])
def test_equals_the_literal_loop(agrees, name, own, dtype):
    inputs = loss_inputs(similarity=name, own=own, dtype=dtype, scale=0.7)
    loss = BCE(BCE.Settings(temperature=0.7, negative_weight=2.0))
    agrees(loss, inputs, lambda data, row: literal(data, row, 0.7, 2.0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_labels_equal_the_literal_loop(agrees, dtype):
    def of_label(inputs: LossInputs, row: int) -> Tensor:
        chance = 1 / (1 + (-similarity("dot", inputs.user_BD[row], inputs.positive_BD[row])).exp())
        return -(chance.log() if inputs.target_B[row] == 1 else (1 - chance).log())

    agrees(BCE(), loss_inputs(needs=LABELS, dtype=dtype, scale=0.7), of_label)


def test_a_prediction_with_biases_takes_the_place_of_the_score():
    inputs = loss_inputs(needs=LABELS)
    prediction_B = torch.linspace(-2, 2, 5, dtype=torch.float64)
    value_B = BCE(BCE.Settings(temperature=0.1))(replace(inputs, prediction_B=prediction_B)).value_B
    expected_B = functional.binary_cross_entropy_with_logits(prediction_B, inputs.target_B, reduction="none")
    torch.testing.assert_close(value_B, expected_B)


def test_prediction_plays_no_part_where_there_are_negatives():
    inputs = loss_inputs()
    changed = replace(inputs, prediction_B=torch.full((5,), 9.0, dtype=torch.float64))
    torch.testing.assert_close(BCE()(changed).value_B, BCE()(inputs).value_B)


def test_a_row_without_valid_negatives_keeps_its_positive():
    inputs = loss_inputs()
    alone = replace(inputs, known_BN=torch.ones_like(inputs.known_BN))
    torch.testing.assert_close(BCE()(alone).value_B, functional.softplus(-inputs.positive_score_B()))


@pytest.mark.parametrize(("task", "needs"), [("ranking", "negatives"), ("rating", "negatives"), ("ctr", "labels")])
def test_needs_depend_on_the_task(task, needs):
    assert BCE.needs_for(task) == {needs}


def test_confident_mistakes_stay_finite_in_float32():
    inputs = replace(loss_inputs(needs=LABELS, dtype=torch.float32), prediction_B=torch.tensor([1e4, -1e4, 0, 0, 0]))
    inputs = replace(inputs, target_B=torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0]))
    assert BCE()(inputs).value_B[:2].tolist() == [1e4, 1e4]
