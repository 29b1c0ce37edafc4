"""`user-knn`: equal to sums over literal similarities of users."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from reccli.api import Context, Histories, TrainingData
from reccli.encoders.user_knn import UserKnn
from reccli.testing import EncoderConformance


class TestUserKnn(EncoderConformance):
    component = UserKnn


class TestUserKnnGiven(EncoderConformance):
    component = "user-knn"
    settings: dict[str, Any] = {"weighting": "bm25", "neighbours": 3}


def some_matrix(seed: int, users: int) -> np.ndarray:
    return (np.random.default_rng(seed).random((users, 14)) < 0.3).astype(np.float64)


def histories_of(matrix_UI: np.ndarray) -> Histories:
    user_E, item_E = np.nonzero(matrix_UI)
    return Histories.from_arrays(user_E, item_E, n_users=len(matrix_UI), n_items=matrix_UI.shape[1])


@pytest.mark.parametrize("shrink", [0.0, 3.0])
@pytest.mark.parametrize("neighbours", [4, 100])
def test_scores_are_sums_over_neighbours(shrink: float, neighbours: int) -> None:
    known_TI, new_UI = some_matrix(1, 20), some_matrix(2, 7)
    new_UI[3] = 0  # without a history
    encoder = UserKnn(UserKnn.Settings(weighting="none", shrink=shrink, neighbours=neighbours))
    encoder.setup(TrainingData(histories_of(known_TI)), Context())
    wanted_UI = np.zeros_like(new_UI)
    for user, row in enumerate(new_UI):
        near = []
        for other, theirs in enumerate(known_TI):
            shared = row @ theirs
            if shared:
                cosine = shared / np.sqrt(row.sum() * theirs.sum())
                near.append((-cosine * shared / (shared + shrink), other))
        for value, other in sorted(near)[:neighbours]:
            wanted_UI[user] -= value * known_TI[other]
    users, items = encoder.export_sparse_users(histories_of(new_UI)), encoder.export_sparse_items()
    np.testing.assert_allclose((users @ items.T).toarray(), wanted_UI, rtol=1e-5, atol=1e-6)


def test_choices_are_said() -> None:
    lines: list[str] = []
    UserKnn(UserKnn.Settings(weighting="tf-idf")).setup(
        TrainingData(histories_of(some_matrix(4, 40))), Context(say=lines.append)
    )
    assert lines[0].startswith("user-knn: ")
    assert "weighting tf-idf chosen" in lines[0]


@pytest.mark.parametrize(("name", "value"), [("shrink", 1e300), ("neighbours", 0), ("neighbours", -3)])
def test_settings_that_mean_nothing_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match="than or equal to"):
        UserKnn.Settings(**{name: value})
