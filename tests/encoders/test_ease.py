"""`ease`: equal to the closed form over the item Gram matrix, wherever an item is not in the history."""

from __future__ import annotations

import numpy as np
import pytest

from reccli.api import Context, Histories, TrainingData
from reccli.encoders.ease import Ease
from reccli.testing import EncoderConformance


class TestEase(EncoderConformance):
    component = Ease


def closed_form(matrix_UI: np.ndarray, penalty: float) -> np.ndarray:
    """Steck 2019, algorithm 1, by inverting the regularised Gram matrix: II."""
    inverse_II = np.linalg.inv(matrix_UI.T @ matrix_UI + penalty * np.eye(matrix_UI.shape[1]))
    weight_II = inverse_II / -np.diag(inverse_II)
    np.fill_diagonal(weight_II, 0.0)
    return weight_II


@pytest.mark.parametrize("power", [0.0, 0.5])
@pytest.mark.parametrize(("n_users", "n_items"), [(12, 30), (40, 15)])
def test_scores_are_those_of_the_closed_form(n_users: int, n_items: int, power: float) -> None:
    draw = np.random.default_rng(3)
    matrix_UI = (draw.random((n_users, n_items)) < 0.3).astype(np.float64)
    matrix_UI[:, 0] = 0  # an item nobody has met
    matrix_UI[0, 1:3] = 1
    user_E, item_E = np.nonzero(matrix_UI)
    histories = Histories.from_arrays(user_E, item_E, n_users=n_users, n_items=n_items)
    encoder = Ease(Ease.Settings(l2=0.05, user_power=power))
    encoder.setup(TrainingData(histories), Context())
    degree_U1 = np.maximum(matrix_UI.sum(1, keepdims=True), 1)
    scaled_UI = matrix_UI * degree_U1**-power
    penalty = 0.05 * np.linalg.svd(scaled_UI, compute_uv=False)[0] ** 2
    wanted_UI = matrix_UI @ closed_form(scaled_UI, penalty)
    got_UI = (encoder.export_users(histories) @ encoder.export_items().T).numpy()
    unseen_UI = matrix_UI == 0
    np.testing.assert_allclose(got_UI[unseen_UI], wanted_UI[unseen_UI], atol=2e-5)


def test_choices_are_said_and_repeatable() -> None:
    draw = np.random.default_rng(4)
    user_E, item_E = np.nonzero(draw.random((60, 40)) < 0.2)
    data = TrainingData(Histories.from_arrays(user_E, item_E, n_users=60, n_items=40))
    lines: list[str] = []
    first, second = Ease(), Ease()
    first.setup(data, Context(seed=1, say=lines.append))
    second.setup(data, Context(seed=1))
    assert lines[0].startswith("ease: l2 0.")
    assert first.export_items().equal(second.export_items())
