"""`item-knn`: equal to sums over literal similarities, and what it chooses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from reccli.api import Context, Histories, TrainingData
from reccli.encoders.item_knn import ItemKnn
from reccli.testing import EncoderConformance


class TestItemKnn(EncoderConformance):
    component = ItemKnn


class TestItemKnnCosine(EncoderConformance):
    component = "item-knn"
    settings: dict[str, Any] = {
        "weighting": "none",
        "user_power": 0.0,
        "history_power": 0.5,
        "item_power": 0.5,
        "neighbours": 3,
    }


def some_data(users: int = 30, items: int = 14) -> tuple[np.ndarray, TrainingData]:
    draw = np.random.default_rng(3)
    matrix_UI = (draw.random((users, items)) < 0.3).astype(np.float64)
    matrix_UI[:, 0] = 0  # an item nobody has met
    user_E, item_E = np.nonzero(matrix_UI)
    return matrix_UI, TrainingData(Histories.from_arrays(user_E, item_E, n_users=users, n_items=items))


@pytest.mark.parametrize(("history", "item", "user"), [(0.5, 0.5, 0.0), (0.7, 0.2, 0.3)])
@pytest.mark.parametrize("shrink", [0.0, 5.0])
@pytest.mark.parametrize("neighbours", [4, 100])
def test_scores_are_sums_of_similarities(
    history: float, item: float, user: float, shrink: float, neighbours: int
) -> None:
    matrix_UI, data = some_data()
    encoder = ItemKnn(
        ItemKnn.Settings(
            weighting="none",
            user_power=user,
            history_power=history,
            item_power=item,
            shrink=shrink,
            neighbours=neighbours,
        )
    )
    encoder.setup(data, Context())
    scaled_UI = matrix_UI * np.maximum(matrix_UI.sum(1, keepdims=True), 1) ** -user
    n_users, n_items = matrix_UI.shape
    similar_II = np.zeros((n_items, n_items))
    for j in range(n_items):
        for i in range(n_items):
            size_j, size_i = (scaled_UI[:, j] ** 2).sum(), (scaled_UI[:, i] ** 2).sum()
            shared = ((matrix_UI[:, j] > 0) & (matrix_UI[:, i] > 0)).sum()
            if i != j and shared:
                cosine = scaled_UI[:, j] @ scaled_UI[:, i] / (size_j**history * size_i**item)
                similar_II[j, i] = cosine * shared / (shared + shrink)
        weak = sorted(range(n_items), key=lambda i: -similar_II[j, i])[neighbours:]
        similar_II[j, weak] = 0
    users, items = encoder.export_sparse_users(data.train), encoder.export_sparse_items()
    np.testing.assert_allclose((users @ items.T).toarray(), matrix_UI @ similar_II, rtol=1e-5, atol=1e-6)
    assert encoder.export_users(data.train).shape == (n_users, 0)


def test_choices_are_said_and_repeatable() -> None:
    _, data = some_data(60, 40)
    lines: list[str] = []
    first, second = ItemKnn(), ItemKnn()
    first.setup(data, Context(seed=1, say=lines.append))
    second.setup(data, Context(seed=1))
    assert lines[0].startswith("item-knn: weighting ")
    assert (first.export_sparse_items() != second.export_sparse_items()).nnz == 0


def test_given_settings_are_kept() -> None:
    _, data = some_data(60, 40)
    lines: list[str] = []
    encoder = ItemKnn(ItemKnn.Settings(weighting="bm25", item_power=0.25))
    encoder.setup(data, Context(say=lines.append))
    assert "weighting bm25, powers 0.0 of users" in lines[0]
    assert "0.25 of items" in lines[0]


@pytest.mark.parametrize(
    ("name", "value"), [("shrink", 1e300), ("user_power", -1.0), ("history_power", 40.0), ("item_power", -1.0)]
)
def test_settings_that_mean_nothing_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match="than or equal to"):
        ItemKnn.Settings(**{name: value})
