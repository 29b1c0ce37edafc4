from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reccli.losses.mse import MSE
from reccli.testing import LossConformance
from reccli.testing.inputs import loss_inputs
from reccli.testing.oracles import similarity

RATINGS = frozenset({"ratings"})


class TestMSE(LossConformance):
    component = "mse"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["dot", "cosine", "euclidean"])
def test_equals_the_literal_loop(agrees, name, dtype):
    inputs = loss_inputs(needs=RATINGS, similarity=name, dtype=dtype)

    def literal(data, row):
        return (similarity(name, data.user_BD[row], data.positive_BD[row]) - data.target_B[row]) ** 2

    agrees(MSE(), inputs, literal)


def test_a_prediction_with_biases_takes_the_place_of_the_score():
    inputs = loss_inputs(needs=RATINGS)
    prediction_B = inputs.target_B + torch.tensor([0.0, 1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    value_B = MSE()(replace(inputs, prediction_B=prediction_B)).value_B
    assert value_B.tolist() == pytest.approx([0.0, 1.0, 4.0, 0.25, 9.0])


def test_it_needs_ratings_and_no_negatives():
    assert MSE.needs_for("rating") == RATINGS
