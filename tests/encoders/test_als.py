"""`als`: users and items where alternating normal equations come to rest, and choices on training rows alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from reccli.api import Context, Histories, TrainingData
from reccli.encoders.als import MIDDLE, Als
from reccli.errors import DivergedError
from reccli.nn.alternating import Objective
from reccli.testing import EncoderConformance, checkerboard, held_out_first


class TestAls(EncoderConformance):
    component = Als


class TestAlsGiven(EncoderConformance):
    component = "als"
    settings: dict[str, Any] = {"rank": 3, "sweeps": 2, "unobserved": 0.05, "l2": 0.3, "power": 1.0}


def solved(weight_I: np.ndarray, fixed_IR: np.ndarray, unobserved: float, penalty: float) -> np.ndarray:
    """Normal equations of one row."""
    left_RR, right_R = penalty * np.eye(fixed_IR.shape[1]), np.zeros(fixed_IR.shape[1])
    for weight, vector_R in zip(weight_I, fixed_IR, strict=True):
        left_RR += (weight + unobserved) * np.outer(vector_R, vector_R)
        right_R += weight * vector_R
    return np.linalg.solve(left_RR, right_R)


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_scores_are_those_of_literal_sweeps(power: float) -> None:
    matrix_UI = (np.random.default_rng(3).random((18, 12)) < 0.35).astype(np.float64)
    matrix_UI[:, 0] = 0  # an item nobody has met
    user_E, item_E = np.nonzero(matrix_UI)
    histories = Histories.from_arrays(user_E, item_E, n_users=18, n_items=12)
    encoder = Als(Als.Settings(rank=4, sweeps=3, unobserved=0.2, l2=0.8, power=power))
    encoder.setup(TrainingData(histories), Context(seed=5))
    mass_U, mass_I = matrix_UI.sum(1) + 0.2 * 12, matrix_UI.sum(0) + 0.2 * 18
    factor = 0.8 / np.concatenate([mass_U**power, mass_I**power]).mean()
    item_IR = Context(seed=5).numpy_generator("als").standard_normal((12, 4), np.float32) * 0.05
    for _ in range(3):
        user_UR = np.array([solved(matrix_UI[u], item_IR, 0.2, factor * mass_U[u] ** power) for u in range(18)])
        item_IR = np.array([solved(matrix_UI[:, i], user_UR, 0.2, factor * mass_I[i] ** power) for i in range(12)])
    new_UI = np.zeros((3, 12))
    new_UI[0, [2, 5]], new_UI[1, 1:] = 1, 1  # and one without anything
    for wanted_UI in (matrix_UI, new_UI):
        user_E, item_E = np.nonzero(wanted_UI)
        given = Histories.from_arrays(user_E, item_E, n_users=len(wanted_UI), n_items=12)
        mass_N = wanted_UI.sum(1) + 0.2 * 12
        literal_NR = np.array(
            [solved(row, item_IR, 0.2, factor * mass**power) for row, mass in zip(wanted_UI, mass_N, strict=True)]
        )
        got_NI = (encoder.export_users(given) @ encoder.export_items().T).numpy()
        np.testing.assert_allclose(got_NI, literal_NR @ item_IR.T, atol=2e-5)
    assert encoder.warm_items().tolist() == [False] + [True] * 11


def test_it_ranks_what_was_held_out_first() -> None:
    world = checkerboard(users=24, items=16)
    encoder = Als(Als.Settings(rank=2))
    encoder.setup(world.data, Context())
    assert held_out_first(encoder.export_users(world.data.train), encoder.export_items(), world) == 1.0


def test_choices_are_said_and_repeatable_and_what_is_given_stays() -> None:
    draw = np.random.default_rng(4)
    user_E, item_E = np.nonzero(draw.random((60, 40)) < 0.2)
    data = TrainingData(Histories.from_arrays(user_E, item_E, n_users=60, n_items=40))
    lines: list[str] = []
    first, second = Als(Als.Settings(rank=8)), Als(Als.Settings(rank=8))
    first.setup(data, Context(seed=1, say=lines.append))
    second.setup(data, Context(seed=1))
    assert lines[0].startswith("als: unobserved ")
    assert first.export_items().equal(second.export_items())
    given = Als(Als.Settings(rank=8, power=0.3, l2=2.5))
    given.setup(data, Context(seed=1, say=lines.append))
    assert ", l2 2.5, power 0.3 chosen" in lines[1]
    assert given.fold[1] == pytest.approx(0.3)
    all_given = Als(Als.Settings(rank=8, power=0.3, l2=2.5, unobserved=0.2))
    all_given.setup(data, Context(seed=1, say=lines.append))
    assert len(lines) == 2


def test_users_of_one_row_leave_nothing_to_choose_on() -> None:
    encoder = Als(Als.Settings(rank=2))
    encoder.setup(TrainingData(Histories.from_arrays([0, 1, 2], [0, 1, 1], n_users=3, n_items=2)), Context())
    assert encoder.fold[0] == pytest.approx(MIDDLE.unobserved)


@pytest.mark.parametrize("name", ["l2", "unobserved"])
def test_weights_that_leave_the_solution_open_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        Als.Settings(**{name: 0.0})


def test_a_penalty_below_the_rounding_of_single_numbers_is_served_by_double_ones() -> None:
    draw = np.random.default_rng(4)
    user_E, item_E = np.nonzero(draw.random((60, 40)) < 0.2)
    data = TrainingData(Histories.from_arrays(user_E, item_E, n_users=60, n_items=40))
    encoder = Als(Als.Settings(rank=8, sweeps=8, unobserved=1e-12, l2=1e-12, power=0.0))
    encoder.setup(data, Context(seed=1))
    score_UI = (encoder.export_users(data.train) @ encoder.export_items().T).numpy()
    np.testing.assert_allclose(score_UI[user_E, item_E], 1.0, atol=0.2)


def test_a_penalty_below_the_rounding_of_double_numbers_is_told() -> None:
    world = checkerboard(users=24, items=16)
    encoder = Als(Als.Settings(rank=8, unobserved=1e-80, l2=1e-80, power=0.0))
    with pytest.raises(DivergedError, match="have no solution"):
        encoder.setup(world.data, Context())


def test_nothing_is_measured_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    draw, measured = np.random.default_rng(4), list[Objective]()
    user_E, item_E = np.nonzero(draw.random((60, 40)) < 0.2)
    data = TrainingData(Histories.from_arrays(user_E, item_E, n_users=60, n_items=40))
    measure = Als._measure
    monkeypatch.setattr(Als, "_measure", lambda self, held, tried: measured.append(tried) or measure(self, held, tried))
    Als(Als.Settings(rank=8)).setup(data, Context(seed=1))
    assert len(measured) > 5
    assert len(measured) == len(set(measured))


@pytest.mark.parametrize(("name", "value"), [("power", -0.5), ("power", 300.0)])
def test_settings_that_mean_nothing_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match="than or equal to"):
        Als.Settings(**{name: value})
