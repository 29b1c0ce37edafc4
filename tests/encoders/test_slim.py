"""`slim`: its scores, what it chooses, and that it learns a known world."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from reccli.api import Context, Histories, TrainingData
from reccli.encoders.slim import Slim
from reccli.testing import EncoderConformance


class TestSlim(EncoderConformance):
    component = Slim


class TestSlimGiven(EncoderConformance):
    component = "slim"
    settings: dict[str, Any] = {"neighbours": 3, "l2": 0.01, "user_power": 0.25}


def some_data(users: int = 60, items: int = 14) -> tuple[np.ndarray, TrainingData]:
    draw = np.random.default_rng(3)
    matrix_UI = (draw.random((users, items)) < 0.3).astype(np.float64)
    matrix_UI[:, 0] = 0  # an item nobody has met
    user_E, item_E = np.nonzero(matrix_UI)
    return matrix_UI, TrainingData(Histories.from_arrays(user_E, item_E, n_users=users, n_items=items))


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_scores_are_those_of_ridge_regression(power: float) -> None:
    matrix_UI, data = some_data()
    encoder = Slim(Slim.Settings(neighbours=14, l2=0.05, user_power=power))
    encoder.setup(data, Context())
    scaled_UI = matrix_UI * np.maximum(matrix_UI.sum(1, keepdims=True), 1) ** -power
    gram_II = scaled_UI.T @ scaled_UI
    penalty = 0.05 * np.linalg.eigvalsh(gram_II).max()
    weight_II = np.zeros_like(gram_II)
    for i in range(1, 14):
        others = [j for j in range(14) if j != i and gram_II[j, i] > 0]
        system = gram_II[np.ix_(others, others)] + penalty * np.eye(len(others))
        weight_II[others, i] = np.linalg.solve(system, gram_II[others, i])
    users, items = encoder.export_sparse_users(data.train), encoder.export_sparse_items()
    np.testing.assert_allclose((users @ items.T).toarray(), matrix_UI @ weight_II, rtol=1e-3, atol=1e-4)
    assert encoder.export_users(data.train).shape == (60, 0)


def test_choices_are_said_and_repeatable() -> None:
    _, data = some_data(60, 40)
    lines: list[str] = []
    first, second = Slim(), Slim()
    first.setup(data, Context(seed=1, say=lines.append))
    second.setup(data, Context(seed=1))
    assert lines[0].startswith("slim: l2 ")
    assert (first.export_sparse_items() != second.export_sparse_items()).nnz == 0


def test_given_settings_are_kept() -> None:
    _, data = some_data(60, 40)
    lines: list[str] = []
    Slim(Slim.Settings(l2=0.003)).setup(data, Context(say=lines.append))
    assert lines[0].startswith("slim: l2 0.003, user power ")
    Slim(Slim.Settings(l2=0.003, user_power=0.5)).setup(data, Context(say=lines.append))
    assert len(lines) == 1


@pytest.mark.parametrize("l2", [0.0, -0.1, float("nan"), float("inf")])
def test_penalties_that_leave_the_solution_open_are_refused(l2: float) -> None:
    with pytest.raises(ValidationError, match=r"greater than 0|finite number"):
        Slim.Settings(l2=l2)


@pytest.mark.parametrize(("name", "value"), [("user_power", -1.0), ("user_power", 300.0)])
def test_settings_that_mean_nothing_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match="than or equal to"):
        Slim.Settings(**{name: value})
