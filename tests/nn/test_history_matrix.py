"""Weights of pairs add up, and the histories stay as they are."""

from __future__ import annotations

import numpy as np

from reccli.api import Histories
from reccli.nn.history_matrix import history_matrix


def test_weights_of_repeated_pairs_add_up() -> None:
    weight_E = [1.0, 0.5, 2.0, 4.0]
    histories = Histories.from_arrays([0, 0, 0, 1], [2, 0, 2, 1], n_users=2, n_items=3, weight_E=weight_E)
    before_E = histories.weight_E.copy()
    matrix_UI = history_matrix(histories)
    np.testing.assert_allclose(matrix_UI.toarray(), [[0.5, 0.0, 3.0], [0.0, 4.0, 0.0]])
    assert matrix_UI.nnz == 3
    np.testing.assert_array_equal(histories.weight_E, before_E)
