"""EASE with words as a part: its products are what `ease` predicts, and a solved state is enough."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from walks import ring_walks

from reccli.api import Context, Histories, TrainingData
from reccli.errors import ConfigError
from reccli.nn.collective_ease import CollectiveEase
from reccli.nn.ease_settings import EaseSettings

WORDS = ["fox", "fish", "bird"]


def world() -> tuple[np.ndarray, TrainingData]:
    draw = np.random.default_rng(5)
    matrix_UI = (draw.random((25, 12)) < 0.35).astype(np.float64)
    matrix_UI[:, 11] = 0  # nobody has met it, its word is known
    user_E, item_E = np.nonzero(matrix_UI)
    texts = [WORDS[item % 3] for item in range(12)]
    return matrix_UI, TrainingData(Histories.from_arrays(user_E, item_E, n_users=25, n_items=12), item_text_I=texts)


def solved(data: TrainingData, **given: float) -> CollectiveEase:
    base = CollectiveEase()
    base.solve(data, Context(seed=1), EaseSettings(l2=0.05, user_power=0.0, **given))
    return base


def test_products_are_the_regression_without_a_diagonal() -> None:
    matrix_UI, data = world()
    base = solved(data, words=4.0)
    text_VI = np.eye(3)[:, [item % 3 for item in range(12)]]
    stacked_MI = np.concatenate([matrix_UI, 2.0 * text_VI])
    penalty = 0.05 * np.linalg.svd(stacked_MI, compute_uv=False)[0] ** 2
    inverse_II = np.linalg.inv(stacked_MI.T @ stacked_MI + penalty * np.eye(12))
    weight_II = inverse_II / -np.diag(inverse_II)
    np.fill_diagonal(weight_II, 0.0)
    got_UI = (base.of_histories(data.train) @ base.item_IR.T).numpy()
    np.testing.assert_allclose(got_UI[matrix_UI == 0], (matrix_UI @ weight_II)[matrix_UI == 0], atol=2e-5)
    assert np.abs(got_UI[:, 11]).max() > 0.01


def test_texts_have_zeros_where_words_do_not_count() -> None:
    _, data = world()
    base, without = solved(data, words=4.0), solved(data, words=0.0)
    assert (base.knows_words, without.knows_words) == (True, False)
    assert base.of_texts(["fox", "nothing"]).any(1).tolist() == [True, False]
    assert without.of_texts(["fox"]).shape == (1, without.item_IR.shape[1])
    assert not without.of_texts(["fox"]).any()


def test_a_state_is_enough() -> None:
    _, data = world()
    data = TrainingData(data.train, item_text_I=data.item_text_I, ordered=True)
    base, again = solved(data, words=4.0, recency=0.5), CollectiveEase()
    again.solve(data, Context(restoring=True), EaseSettings(words=4.0))
    state, present = base.state_dict(), again.state_dict(keep_vars=True)
    for name, value in state.items():
        present[name].data = torch.zeros_like(value)
    again.load_state_dict(state)
    torch.testing.assert_close(again.of_histories(data.train), base.of_histories(data.train))
    torch.testing.assert_close(again.of_texts(WORDS), base.of_texts(WORDS))


def test_words_that_are_not_there_are_refused() -> None:
    _, data = world()
    with pytest.raises(ConfigError, match=r"encoder\.words=4\.0, and the items have no texts"):
        solved(TrainingData(data.train), words=4.0)


def test_older_entries_count_less_by_a_power_of_their_age() -> None:
    data = ring_walks(ordered=True)
    plain, base = solved(data, recency=0.0), solved(data, recency=0.5)
    age_E = np.tile(np.arange(11, -1, -1), 300)
    matrix_UI = np.zeros((300, 60))
    np.add.at(matrix_UI, (data.train.user_E, data.train.item_E), (1.0 + age_E) ** -0.5)
    wanted_UR = torch.from_numpy(matrix_UI).float() @ plain.history_IR
    torch.testing.assert_close(base.of_histories(data.train), wanted_UR, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(base.item_IR, plain.item_IR)


def test_how_fast_histories_age_is_chosen_where_there_is_an_order() -> None:
    lines: list[str] = []
    for ordered in (True, False):
        base = CollectiveEase()
        data = ring_walks(ordered=ordered)
        base.solve(data, Context(seed=1, say=lines.append), EaseSettings(l2=0.05))
        assert (float(base.recency) > 0) == ordered
    assert ["recency" in line for line in lines] == [True, False]


def test_ages_without_an_order_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"encoder\.recency needs an order"):
        solved(ring_walks(ordered=False), recency=0.5)
