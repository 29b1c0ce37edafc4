"""What a run contributes: z-scores by a literal count, and nothing where its scores are the same but for rounding."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reccli.api.vectors import MixedVectors
from reccli.stages.ensemble_parts import plain_part, scaled, scored_part


def run(item_ID: Any) -> Any:
    return SimpleNamespace(item_ID=item_ID, reachable_I=np.ones(len(item_ID), np.bool_))


def test_scores_are_z_scores() -> None:
    draw = np.random.default_rng(4)
    user_UD, item_ID = draw.normal(size=(5, 3)).astype(np.float32), draw.normal(size=(9, 3)).astype(np.float32) + 2
    part, everybody, everything = scored_part(run(item_ID), 0.25), np.ones(5, np.bool_), np.ones(9, np.bool_)
    score_UI = user_UD @ item_ID.T
    wanted_UI = 0.25 * (score_UI - score_UI.mean(1, keepdims=True)) / score_UI.std(1, keepdims=True)
    np.testing.assert_allclose(
        part.users(user_UD, everybody) @ part.items(item_ID, everything).T, wanted_UI, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("far", [0.0, 1.0, 100.0])
def test_scores_that_differ_by_rounding_alone_are_no_scores(far: float) -> None:
    draw = np.random.default_rng(4)
    item_ID = np.float32(far + 1) * (np.ones((9, 3), np.float32) + draw.normal(scale=3e-8, size=(9, 3)))
    part = scored_part(run(item_ID.astype(np.float32)), 1.0)
    assert not part.users(draw.normal(size=(5, 3)).astype(np.float32), np.ones(5, np.bool_)).any()


def test_small_differences_that_are_real_count() -> None:
    draw = np.random.default_rng(4)
    item_ID = (1 + 1e-3 * draw.normal(size=(9, 3))).astype(np.float32)
    users = scored_part(run(item_ID), 1.0).users(draw.normal(size=(5, 3)).astype(np.float32), np.ones(5, np.bool_))
    assert users.any(1).all()


def test_values_enter_as_they_are_known_or_not() -> None:
    user_UD, item_ID = np.array([[2.0, 1.0]], np.float32), np.array([[1.0, 3.0], [0.5, 2.0]], np.float32)
    part = plain_part(run(item_ID), 0.5)
    got_UI = part.users(user_UD, np.zeros(1, np.bool_)) @ part.items(item_ID, np.zeros(2, np.bool_)).T
    np.testing.assert_allclose(got_UI, [[2.5, 1.5]], rtol=1e-6)


def test_vectors_are_made_longer_dense_and_sparse() -> None:
    from scipy.sparse import csr_matrix

    mixed = scaled(MixedVectors(np.ones((2, 1), np.float32), csr_matrix(np.eye(2, dtype=np.float32))), 3.0)
    assert isinstance(mixed, MixedVectors)
    np.testing.assert_allclose(mixed.dense_ND, 3.0)
    np.testing.assert_allclose(mixed.sparse_NS.toarray(), 3 * np.eye(2))
    np.testing.assert_allclose(scaled(np.ones((2, 1), np.float32), 0.5), 0.5)
