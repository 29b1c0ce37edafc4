"""Ridge regression upon neighbours: equal to literal systems, and to EASE where all items are neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from reccli.errors import DivergedError
from reccli.nn import local_ridge as module
from reccli.nn.local_ridge import largest_eigenvalue, local_ridge


def interactions(users: int = 40, items: int = 12) -> np.ndarray:
    draw = np.random.default_rng(7)
    matrix_UI = (draw.random((users, items)) < 0.3) * draw.uniform(0.5, 2.0, (users, items))
    matrix_UI[:, 3] = 0  # an item nobody has met
    return matrix_UI


def rows(matrix_UI: np.ndarray) -> csr_matrix:
    return csr_matrix(matrix_UI.T.astype(np.float32))


@pytest.mark.parametrize("most", [1, 4, 50])
def test_weights_solve_each_items_own_system(most: int) -> None:
    matrix_UI, penalties = interactions(), [0.5, 3.0]
    gram_II = matrix_UI.T @ matrix_UI
    for penalty, got in zip(penalties, local_ridge(rows(matrix_UI), most, penalties), strict=True):
        for i in range(12):
            told = {j: gram_II[j, i] / np.sqrt(gram_II[j, j]) for j in range(12) if j != i and gram_II[j, i] > 0}
            near = sorted(told, key=lambda j: (-told[j], j))[:most]
            wanted = np.zeros(12)
            wanted[near] = np.linalg.solve(gram_II[np.ix_(near, near)] + penalty * np.eye(len(near)), gram_II[near, i])
            np.testing.assert_allclose(got.toarray()[i], wanted, rtol=1e-4, atol=1e-6)


def test_all_neighbours_give_the_matrix_of_ease() -> None:
    matrix_UI = interactions(80, 9)[:, [0, 1, 2, 4, 5, 6, 7, 8]]
    inverse_II = np.linalg.inv(matrix_UI.T @ matrix_UI + 2.0 * np.eye(8))
    ease_II = np.eye(8) - inverse_II / np.diag(inverse_II)
    (got,) = local_ridge(rows(matrix_UI), 8, [2.0])
    np.testing.assert_allclose(got.toarray().T, ease_II, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("cells", [1, 40, 10**6])
def test_blocks_do_not_matter(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    (wanted,) = local_ridge(rows(interactions()), 5, [1.0])
    monkeypatch.setattr(module, "BLOCK_CELLS", cells)
    (got,) = local_ridge(rows(interactions()), 5, [1.0])
    np.testing.assert_allclose(got.toarray(), wanted.toarray(), rtol=1e-5, atol=1e-7)


def test_nothing_met_has_no_weights() -> None:
    (got,) = local_ridge(csr_matrix((4, 6), dtype=np.float32), 3, [1.0])
    assert got.shape == (4, 4)
    assert got.nnz == 0


def test_the_largest_eigenvalue_is_that_of_the_gram_matrix() -> None:
    matrix_UI = interactions()
    wanted = np.linalg.eigvalsh(matrix_UI.T @ matrix_UI).max()
    assert largest_eigenvalue(csr_matrix(matrix_UI)) == pytest.approx(wanted, rel=1e-4)
    assert largest_eigenvalue(csr_matrix((3, 4))) == 0.0


def test_a_penalty_below_the_rounding_of_single_numbers_is_served_by_double_ones() -> None:
    matrix_UI = np.repeat(interactions() > 0, 2, axis=1).astype(np.float64)  # each item twice: singular but for it
    gram_II = matrix_UI.T @ matrix_UI
    (got,) = local_ridge(rows(matrix_UI), 50, [1e-9])
    (tame,) = local_ridge(rows(matrix_UI), 50, [1e-3])
    others = [j for j in range(24) if gram_II[0, j] > 0 and j != 0]
    system_NN = gram_II[np.ix_(others, others)] + 1e-9 * np.eye(len(others))
    np.testing.assert_allclose(got.toarray()[0, others], np.linalg.solve(system_NN, gram_II[others, 0]), atol=1e-4)
    assert got.nnz == tame.nnz


def test_a_penalty_below_the_rounding_of_double_numbers_is_told() -> None:
    matrix_UI = np.repeat(interactions() > 0, 2, axis=1)
    with pytest.raises(DivergedError, match=r"items have no solution with a penalty of 1e-30") as caught:
        local_ridge(rows(matrix_UI), 50, [1e-30])
    assert caught.value.hint == "raise encoder.l2"
