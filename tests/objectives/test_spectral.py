"""The spectral objective: conformance, and the singular vectors against NumPy."""

from __future__ import annotations

import numpy as np

from reccli.api import Context
from reccli.objectives.spectral import Spectral
from reccli.testing.objectives import ObjectiveConformance
from reccli.testing.worlds import checkerboard


class TestSpectral(ObjectiveConformance):
    component = "spectral"
    settings = {"rank": 4}


def test_features_are_the_singular_vectors_of_the_normalised_matrix() -> None:
    data = checkerboard(users=12, items=10, held_out=2, seed=3).data
    matrix_UI = data.train.to_scipy("weight").toarray().astype(np.float64)
    scaled_UI = matrix_UI / np.sqrt(np.outer(matrix_UI.sum(1), matrix_UI.sum(0)))
    value_R = np.linalg.svd(scaled_UI, compute_uv=False)
    objective = Spectral(Spectral.Settings(rank=10, n_iter=20))
    objective.setup(data, Context(seed=1))
    found = objective.finish()
    item_IR, user_UR = found.item_features["spectral"], found.user_features["spectral_users"]
    np.testing.assert_allclose(found.weights["value_R"].numpy(), value_R, atol=1e-4)
    np.testing.assert_allclose(user_UR * value_R @ item_IR.T, scaled_UI, atol=1e-4)
    np.testing.assert_allclose(item_IR.T @ item_IR, np.eye(10), atol=1e-4)
    assert found.metrics["largest"] == np.float32(value_R[0]) or abs(found.metrics["largest"] - 1) < 1e-4


def test_items_without_interactions_are_zero_and_a_larger_rank_is_cut() -> None:
    data = checkerboard(users=6, items=8).data
    lonely = data.train.rows([0, 2])  # of one taste: every second item is unknown
    objective = Spectral(Spectral.Settings(rank=500))
    objective.setup(type(data)(lonely), Context())
    item_IR = objective.finish().item_features["spectral"]
    assert item_IR.shape == (8, 2)
    assert np.abs(item_IR[1::2]).max() == 0
