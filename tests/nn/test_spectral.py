from __future__ import annotations

import numpy as np
import pytest

from reccli.api import Histories
from reccli.nn import spectral
from reccli.nn.spectral import fold_in, item_scale, spectrum


@pytest.fixture(params=["iterated", "exact"], autouse=True)
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("EXACT", 2048), ("MOST_EXACT", 6144)):
        monkeypatch.setattr(spectral, name, 0 if request.param == "iterated" else most)


@pytest.fixture
def histories() -> Histories:
    rng = np.random.default_rng(0)
    share = np.outer(rng.random(60) + 0.2, rng.random(40) + 0.1)
    user, item = np.nonzero(rng.random((60, 40)) < share * 0.5)
    keep = item != 7  # an item without interactions
    weight = rng.integers(1, 4, keep.sum())
    return Histories.from_arrays(user[keep], item[keep], n_users=60, n_items=40, weight_E=weight)


def dense(histories: Histories) -> np.ndarray:
    matrix = np.zeros((60, 40))
    np.add.at(matrix, (histories.user_E, histories.item_E), histories.weight_E)
    rows, columns = matrix.sum(1), matrix.sum(0)
    return matrix / np.sqrt(np.maximum(rows, 1e-9))[:, None] / np.sqrt(np.maximum(columns, 1e-9))


def test_equals_the_dense_decomposition(histories: Histories) -> None:
    found = spectrum(histories, 8, generator=np.random.default_rng(1), n_iter=30)
    left, value, right = np.linalg.svd(dense(histories))
    np.testing.assert_allclose(found.value_R, value[:8], atol=1e-4)
    assert found.value_R[0] == pytest.approx(1.0, abs=1e-5)
    for vectors, exact in ((found.item_IR, right.T), (found.user_UR, left)):
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(8), atol=1e-4)
        alignment = np.abs((vectors * exact[:, :8]).sum(0))
        np.testing.assert_allclose(alignment, 1.0, atol=5e-3)
    assert not found.item_IR[7].any()


def test_a_smaller_rank_is_the_beginning_of_a_larger(histories: Histories) -> None:
    small = spectrum(histories, 4, generator=np.random.default_rng(1), n_iter=30)
    large = spectrum(histories, 9, generator=np.random.default_rng(2), n_iter=30)
    np.testing.assert_allclose(large.item_IR[:, :4], small.item_IR, atol=2e-3)


def test_rank_is_bounded_by_the_matrix(histories: Histories) -> None:
    assert spectrum(histories, 400, generator=np.random.default_rng(1)).item_IR.shape == (40, 40)


def test_fold_in_sums_over_the_history(histories: Histories) -> None:
    vector = np.random.default_rng(3).standard_normal((40, 5)).astype(np.float32)
    expected = np.zeros((60, 5))
    for user, item, weight in zip(histories.user_E, histories.item_E, histories.weight_E, strict=True):
        expected[user] += weight * vector[item]
    np.testing.assert_allclose(fold_in(histories, vector), expected, rtol=1e-4, atol=1e-5)


def test_item_scale_keeps_the_unseen_at_zero() -> None:
    assert item_scale(np.array([0.0, 4.0], np.float32), -0.5).tolist() == [0.0, 0.5]


def test_degrees_near_0_have_powers_that_single_numbers_hold() -> None:
    degree_I = np.array([0.0, 4.0, 1e-42], np.float32)
    assert item_scale(degree_I, -0.5)[:2].tolist() == [0.0, 0.5]
    scale_I = item_scale(degree_I, -1.0)
    assert scale_I.dtype == np.float32
    assert scale_I.tolist() == [0.0, 0.25, spectral.LARGEST]
