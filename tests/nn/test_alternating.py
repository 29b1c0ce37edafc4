"""Alternating least squares: each solve equal to the normal equations of its row, and no sweep makes the sum larger."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from reccli.api import Histories
from reccli.errors import DivergedError
from reccli.nn import alternating
from reccli.nn.alternating import Objective, Rows, Side, factorise, side_of, solve


def world(users: int = 23, items: int = 17, seed: int = 1) -> tuple[np.ndarray, Histories]:
    """Weights of 0.25 to 2, one user and one item without any, and one user with all others."""
    draw = np.random.default_rng(seed)
    weight_UI = (draw.random((users, items)) < 0.3) * draw.uniform(0.25, 2, (users, items))
    weight_UI[2] = draw.uniform(0.25, 2, items)
    weight_UI[5], weight_UI[:, 7] = 0.0, 0.0
    user_E, item_E = np.nonzero(weight_UI)
    made = Histories.from_arrays(
        user_E, item_E, n_users=users, n_items=items, weight_E=weight_UI[user_E, item_E].astype(np.float32)
    )
    return weight_UI.astype(np.float32).astype(np.float64), made


def normal_equations(
    weight_UI: np.ndarray, fixed_IR: np.ndarray, unobserved: float, penalty_U: np.ndarray
) -> np.ndarray:
    """Solve for each row by itself: UR."""
    found_UR = np.zeros((len(weight_UI), fixed_IR.shape[1]))
    for row, weight_I in enumerate(weight_UI):
        left_RR, right_R = penalty_U[row] * np.eye(fixed_IR.shape[1]), np.zeros(fixed_IR.shape[1])
        for weight, vector_R in zip(weight_I, fixed_IR, strict=True):
            left_RR += (weight + unobserved) * np.outer(vector_R, vector_R)
            right_R += weight * vector_R
        found_UR[row] = np.linalg.solve(left_RR, right_R)
    return found_UR


def literal_penalties(weight_UI: np.ndarray, objective: Objective) -> tuple[np.ndarray, np.ndarray]:
    users, items = weight_UI.shape
    mass_U = (weight_UI.sum(1) + objective.unobserved * items) ** objective.power
    mass_I = (weight_UI.sum(0) + objective.unobserved * users) ** objective.power
    factor = objective.l2 * (users + items) / (mass_U.sum() + mass_I.sum())
    return factor * mass_U, factor * mass_I


def literal_loss(weight_UI: np.ndarray, user_UR: np.ndarray, item_IR: np.ndarray, objective: Objective) -> float:
    score_UI = user_UR @ item_IR.T
    penalty_U, penalty_I = literal_penalties(weight_UI, objective)
    fit = (weight_UI * (1 - score_UI) ** 2).sum() + objective.unobserved * (score_UI**2).sum()
    return float(fit + penalty_U @ (user_UR**2).sum(1) + penalty_I @ (item_IR**2).sum(1))


@pytest.mark.parametrize("factors", [2, 5, 40])
@pytest.mark.parametrize("most", [1, 64, 1 << 20])
def test_solutions_are_those_of_the_normal_equations(factors: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alternating, "MOST_NUMBERS", most)
    weight_UI, histories = world()
    draw = np.random.default_rng(2)
    fixed_IR, penalty_U = draw.normal(size=(17, factors)), draw.uniform(0.1, 3, 23)
    side = side_of(torch.from_numpy(fixed_IR), 0.2)
    got_UR = solve(Rows.of(histories), side, torch.from_numpy(penalty_U))
    wanted_UR = normal_equations(weight_UI, fixed_IR, 0.2, penalty_U)
    np.testing.assert_allclose((got_UR @ side.vector_IR.T).numpy(), wanted_UR @ fixed_IR.T, atol=1e-9)
    np.testing.assert_allclose(got_UR.norm(dim=1).numpy(), np.linalg.norm(wanted_UR, axis=1), atol=1e-9)
    assert not got_UR[5].any()


def test_single_numbers_are_enough() -> None:
    weight_UI, histories = world(60, 50)
    draw = np.random.default_rng(3)
    fixed_IR = draw.normal(size=(50, 8)) * np.logspace(1, -3, 8)
    side = side_of(torch.from_numpy(fixed_IR.astype(np.float32)), 0.1)
    got_UR = solve(Rows.of(histories), side, torch.full((60,), 0.5))
    wanted_UR = normal_equations(weight_UI, fixed_IR, 0.1, np.full(60, 0.5))
    np.testing.assert_allclose((got_UR @ side.vector_IR.T).numpy(), wanted_UR @ fixed_IR.T, atol=2e-5)


def test_the_turned_matrix_is_the_transpose() -> None:
    weight_UI, histories = world()
    turned = Rows.of(histories).turned()
    dense_IU = np.zeros((17, 23))
    for item in range(17):
        for entry in range(int(turned.offset_U1[item]), int(turned.offset_U1[item + 1])):
            dense_IU[item, turned.column_E[entry]] = turned.weight_E[entry]
    assert np.array_equal(dense_IU, weight_UI.T)
    np.testing.assert_allclose(turned.mass(0.5).numpy(), weight_UI.sum(0) + 0.5 * 23)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_sweeps_are_the_literal_ones_and_lower_the_sum(power: float) -> None:
    weight_UI, histories = world()
    objective = Objective(unobserved=0.15, l2=0.4, power=power)
    start_IR = np.random.default_rng(4).normal(size=(17, 3))
    penalty_U, penalty_I = literal_penalties(weight_UI, objective)
    item_IR, sums = start_IR, []
    for side, factor in islice(factorise(Rows.of(histories), torch.from_numpy(start_IR), objective), 4):
        user_UR = normal_equations(weight_UI, item_IR, 0.15, penalty_U)
        item_IR = normal_equations(weight_UI.T, user_UR, 0.15, penalty_I)
        np.testing.assert_allclose((side.vector_IR @ side.vector_IR.T).numpy(), item_IR @ item_IR.T, atol=1e-8)
        np.testing.assert_allclose(factor * (weight_UI.sum(1) + 0.15 * 17) ** power, penalty_U)
        sums.append(literal_loss(weight_UI, user_UR, item_IR, objective))
    assert sums == sorted(sums, reverse=True)
    assert sums[-1] < 0.99 * sums[0]


def test_a_side_has_a_diagonal_gram_matrix() -> None:
    side = side_of(torch.from_numpy(np.random.default_rng(5).normal(size=(9, 4))), 0.3)
    np.testing.assert_allclose(
        0.3 * (side.vector_IR.T @ side.vector_IR).numpy(), np.diag(side.gram_R.numpy()), atol=1e-12
    )


def test_no_rows_are_no_vectors() -> None:
    empty = Histories.from_arrays([], [], n_users=0, n_items=4)
    got_UR = solve(Rows.of(empty), Side(torch.ones(4, 2), torch.ones(2)), torch.ones(0))
    assert tuple(got_UR.shape) == (0, 2)


def alike(penalty: float) -> tuple[Rows, Side, torch.Tensor, np.ndarray]:
    """Rows over vectors most of which are the same one: with a small penalty their systems are singular but for it."""
    weight_UI, histories = world()
    weight_UI[weight_UI > 0] = 1.0
    histories = Histories.from_arrays(*np.nonzero(weight_UI), n_users=23, n_items=17)
    fixed_IR = np.repeat([[1.0, 0.5, 0.25, 2.0]], 17, axis=0)
    fixed_IR[:3] = np.random.default_rng(6).integers(1, 4, (3, 4))
    side = Side(torch.from_numpy(fixed_IR.astype(np.float32)), torch.zeros(4))
    penalty_U = torch.full((23,), 0.5, dtype=torch.float64)
    penalty_U[::2] = penalty
    return Rows.of(histories), side, penalty_U, normal_equations(weight_UI, fixed_IR, 0.0, penalty_U.numpy())


def test_rows_without_a_factor_in_single_numbers_are_solved_in_double_ones_and_the_others_left_alone() -> None:
    rows, side, penalty_U, wanted_UR = alike(1e-9)
    got_UR = solve(rows, side, penalty_U)
    single_UR, failed_U = alternating._solved(rows, side, penalty_U, rows.length_U)
    assert 2 <= int(failed_U.sum()) < 12
    assert got_UR[~failed_U].equal(single_UR[~failed_U])
    got_UI, wanted_UI = (got_UR @ side.vector_IR.T).numpy(), wanted_UR @ side.vector_IR.numpy().T
    np.testing.assert_allclose(got_UI[failed_U], wanted_UI[failed_U], atol=1e-5)


@pytest.mark.parametrize("penalty", [1e-30, float("nan")])
def test_systems_without_a_solution_are_told_with_what_helps(penalty: float) -> None:
    rows, side, penalty_U, _ = alike(0.5)
    penalty_U[[0, 5]] = penalty  # user 5 has nothing, and so no system
    with pytest.raises(DivergedError, match="1 of 23 systems have no solution") as caught:
        solve(rows, side, penalty_U)
    assert caught.value.hint is not None
    assert "encoder.l2" in caught.value.hint


def test_vectors_whose_products_overflow_are_told() -> None:
    with pytest.raises(DivergedError, match="without bound"):
        side_of(torch.full((3, 2), 1e30), 0.1)


def test_rows_that_weigh_nothing_at_all_are_told() -> None:
    nothing = Histories.from_arrays([0, 1], [0, 1], n_users=2, n_items=2, weight_E=np.zeros(2, np.float32))
    sweeps = factorise(Rows.of(nothing), torch.ones(2, 1), Objective(unobserved=1e-300, l2=1.0, power=2.0))
    with pytest.raises(DivergedError, match="2 of 2 systems have no solution"):
        next(sweeps)
