"""Products of the vectors are EASE's scores, and a share tells what is kept of a component."""

from __future__ import annotations

import numpy as np
import pytest

from reccli.nn.ease_vectors import ease_vectors, shares
from reccli.nn.spectral import Spectrum


def spectrum(matrix_UI: np.ndarray) -> Spectrum:
    left_UR, value_R, right_RI = np.linalg.svd(matrix_UI, full_matrices=False)
    degree_U, degree_I = matrix_UI.sum(1), matrix_UI.sum(0)
    return Spectrum(
        item_IR=right_RI.T.astype(np.float32),
        user_UR=left_UR,
        value_R=value_R,
        degree_U=degree_U,
        degree_I=degree_I,
    )


def test_products_are_ease_where_the_history_has_nothing() -> None:
    matrix_UI = (np.random.default_rng(2).random((30, 9)) < 0.4).astype(np.float32)
    found = spectrum(matrix_UI)
    penalty = 0.03 * found.value_R[0] ** 2
    inverse_II = np.linalg.inv(matrix_UI.T.astype(np.float64) @ matrix_UI + penalty * np.eye(9))
    weight_II = -inverse_II / np.diag(inverse_II)
    np.fill_diagonal(weight_II, 0.0)
    candidate_IR, history_IR = ease_vectors(found.item_IR, shares(found, 0.03))
    got_UI = matrix_UI @ history_IR @ candidate_IR.T
    unknown_UI = matrix_UI == 0
    np.testing.assert_allclose(got_UI[unknown_UI], (matrix_UI @ weight_II)[unknown_UI], atol=1e-5)


@pytest.mark.parametrize("l2", [0.001, 1.0])
def test_the_largest_component_keeps_what_the_penalty_leaves(l2: float) -> None:
    found = spectrum(np.diag([4.0, 2.0, 0.0]).astype(np.float32))
    np.testing.assert_allclose(shares(found, l2), [1 / (1 + l2), 4 / (4 + 16 * l2), 0.0], rtol=1e-6)


def test_items_that_the_others_tell_wholly_stay_finite_and_of_their_sign() -> None:
    found = spectrum((np.random.default_rng(2).random((30, 9)) < 0.4).astype(np.float32))
    candidate_IR, history_IR = ease_vectors(found.item_IR, shares(found, 1e-300))
    assert np.isfinite(candidate_IR).all()
    assert (candidate_IR * history_IR >= 0).all()
