"""One hop on the graph, against sums by loops."""

from __future__ import annotations

import numpy as np
import pytest

from reccli.api import Histories
from reccli.nn.one_hop import OneHop
from reccli.nn.spectral import spectrum


def some_histories(users: int = 25, items: int = 12) -> tuple[np.ndarray, Histories]:
    draw = np.random.default_rng(3)
    matrix_UI = draw.integers(1, 4, (users, items)) * (draw.random((users, items)) < 0.3).astype(np.float64)
    matrix_UI[:, 0] = 0  # an item nobody has met
    matrix_UI[3] = 0  # a user who has met nothing
    user_E, item_E = np.nonzero(matrix_UI)
    weight_E = matrix_UI[user_E, item_E]
    return matrix_UI, Histories.from_arrays(user_E, item_E, n_users=users, n_items=items, weight_E=weight_E)


def literal(matrix_UI: np.ndarray, p: float, h: float, q: float) -> np.ndarray:
    degree_U, degree_I = matrix_UI.sum(1), matrix_UI.sum(0)
    mean_U, mean_I = degree_U[degree_U > 0].mean(), degree_I[degree_I > 0].mean()
    items = matrix_UI.shape[1]
    weight_II = np.zeros((items, items))
    for j in range(items):
        for i in range(items):
            shared = sum(
                row[j] * row[i] / total**p for row, total in zip(matrix_UI, degree_U, strict=True) if row[j] * row[i]
            )
            if shared:
                scale = mean_U ** (p - 1) * mean_I ** (h + q - 1)
                weight_II[j, i] = scale * shared / (degree_I[j] ** h * degree_I[i] ** q)
    return weight_II


@pytest.mark.parametrize(("p", "h", "q"), [(1.0, 0.5, 0.5), (0.7, 0.4, 0.2), (0.0, 1.0, 0.0)])
def test_weights_equal_loops(p: float, h: float, q: float) -> None:
    matrix_UI, histories = some_histories()
    expected_II = literal(matrix_UI, p, h, q)
    np.fill_diagonal(expected_II, 0)
    hop = OneHop.of(histories, user_power=p, history_power=h)
    np.testing.assert_allclose(hop.weights(q, 99).toarray(), expected_II, rtol=1e-5, atol=1e-7)
    for j, row_I in enumerate(expected_II):
        row_I[sorted(range(len(row_I)), key=lambda i, row_I=row_I: -row_I[i])[3:]] = 0
        np.testing.assert_allclose(hop.weights(q, 3).toarray()[j], row_I, rtol=1e-5, atol=1e-7)


def test_hops_give_the_scores_of_all_neighbours() -> None:
    matrix_UI, histories = some_histories()
    hop = OneHop.of(histories, user_power=0.7, history_power=0.4)
    seen_BI = hop.matrix_UI[2:9]
    score_BI = (hop.hops(seen_BI) @ hop.matrix_UI).toarray() * hop.item_scale(0.2)
    np.testing.assert_allclose(score_BI, matrix_UI[2:9] @ literal(matrix_UI, 0.7, 0.4, 0.2), rtol=1e-4, atol=1e-6)


def test_its_unit_is_that_of_the_spectrum() -> None:
    matrix_UI = np.zeros((12, 12))
    for user in range(12):
        matrix_UI[user, [user, (user + 1) % 12, (user + 5) % 12]] = 1  # every degree is 3
    user_E, item_E = np.nonzero(matrix_UI)
    histories = Histories.from_arrays(user_E, item_E, n_users=12, n_items=12)
    weight_II = OneHop.of(histories, user_power=0.7, history_power=0.4).weights(0.2, 99).toarray()
    found = spectrum(histories, 12, generator=np.random.default_rng(0))
    product_II = (found.item_IR * np.square(found.value_R)) @ found.item_IR.T
    np.fill_diagonal(product_II, 0)
    np.testing.assert_allclose(weight_II, product_II, atol=1e-5)


def test_nothing_is_kept_of_nothing() -> None:
    empty = Histories.from_arrays([], [], n_users=2, n_items=3)
    assert OneHop.of(empty, user_power=0.7, history_power=0.5).weights(0.2, 5).nnz == 0


def test_weights_that_age_has_taken_scale_by_finite_numbers() -> None:
    weight_E = np.array([1e-42, 1e-42, 1.0], np.float32)
    histories = Histories.from_arrays([0, 0, 1], [0, 1, 2], n_users=2, n_items=3, weight_E=weight_E)
    scale_I = OneHop.of(histories, user_power=0.7, history_power=0.5).item_scale(1.0)
    assert np.isfinite(scale_I).all()
    assert (scale_I > 0).all()
