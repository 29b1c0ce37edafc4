"""`ease`: equal to the closed form over the item Gram matrix, wherever an item is not in the history."""

from __future__ import annotations

import numpy as np
import pytest

from reccli.api import Context, Histories, TrainingData
from reccli.encoders.ease import Ease
from reccli.errors import ConfigError
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


TEXTS = [
    "red fox",
    "red fox runs",
    "blue fish",
    "blue fish swims",
    "fox",
    "fish",
    "red fish",
    "",
    "blue fox",
    "red runs",
]


def worded_world() -> tuple[np.ndarray, TrainingData]:
    draw = np.random.default_rng(5)
    matrix_UI = (draw.random((25, len(TEXTS))) < 0.35).astype(np.float64)
    matrix_UI[:, 9] = 0  # nobody has met it, and its words are known
    matrix_UI[:, 7] = 0  # nobody has met it, and it has no words
    user_E, item_E = np.nonzero(matrix_UI)
    histories = Histories.from_arrays(user_E, item_E, n_users=25, n_items=len(TEXTS))
    return matrix_UI, TrainingData(histories, item_text_I=TEXTS)


def literal_words() -> np.ndarray:
    """Words that three texts or more have, by TF-IDF as scikit-learn spells it: VI."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, min_df=3).fit_transform(TEXTS).toarray().T.astype(np.float64)


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_words_are_further_rows_of_the_closed_form(power: float) -> None:
    matrix_UI, data = worded_world()
    encoder = Ease(Ease.Settings(l2=0.05, user_power=power, words=4.0))
    encoder.setup(data, Context())
    scaled_UI = matrix_UI * np.maximum(matrix_UI.sum(1, keepdims=True), 1) ** -power
    mean = (scaled_UI**2).sum() / matrix_UI.sum()
    stacked_MI = np.concatenate([scaled_UI, np.sqrt(4.0 * mean) * literal_words()])
    penalty = 0.05 * np.linalg.svd(stacked_MI, compute_uv=False)[0] ** 2
    wanted_UI = matrix_UI @ closed_form(stacked_MI, penalty)
    got_UI = (encoder.export_users(data.train) @ encoder.export_items().T).numpy()
    np.testing.assert_allclose(got_UI[matrix_UI == 0], wanted_UI[matrix_UI == 0], atol=2e-5)
    assert np.abs(got_UI[:, 9]).max() > 0.01
    assert not got_UI[:, 7].any()
    assert encoder.warm_items().tolist() == [True] * 7 + [False] + [True] * 2


@pytest.mark.parametrize("text", ["red", "fish runs fox", TEXTS[9]])
@pytest.mark.parametrize("l2", [0.0005, 0.05])
def test_new_items_are_predicted_as_further_columns_of_the_closed_form(text: str, l2: float) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    matrix_UI, data = worded_world()
    encoder = Ease(Ease.Settings(l2=l2, user_power=0.0, words=4.0))
    encoder.setup(data, Context())
    assert encoder.serves_new_items
    told_V = TfidfVectorizer(sublinear_tf=True, min_df=3).fit(TEXTS).transform([text]).toarray()[0]
    stacked_MI = np.concatenate([matrix_UI, 2.0 * literal_words()])
    penalty = l2 * np.linalg.svd(stacked_MI, compute_uv=False)[0] ** 2
    new_M1 = np.concatenate([np.zeros(len(matrix_UI)), 2.0 * told_V])[:, None]
    wanted_U = matrix_UI @ closed_form(np.concatenate([stacked_MI, new_M1], axis=1), penalty)[:-1, -1]
    got_NU = (encoder.encode_texts([text, "nothing known"]) @ encoder.export_users(data.train).T).numpy()
    np.testing.assert_allclose(got_NU[0], wanted_U, atol=2e-5)
    assert np.abs(wanted_U).max() > 0.001
    assert not got_NU[1].any()


def test_words_are_chosen_where_they_tell_and_left_out_where_they_do_not() -> None:
    draw = np.random.default_rng(6)
    kind_U, kind_I = draw.integers(0, 4, 80), draw.integers(0, 4, 120)
    chance_UI = np.where(kind_U[:, None] == kind_I[None], 0.12, 0.01)
    user_E, item_E = np.nonzero(draw.random((80, 120)) < chance_UI)
    histories = Histories.from_arrays(user_E, item_E, n_users=80, n_items=120)
    told = [f"kind{kind}" for kind in kind_I]
    lines: list[str] = []
    encoder = Ease()
    encoder.setup(TrainingData(histories, item_text_I=told), Context(seed=1, say=lines.append))
    assert encoder.serves_new_items
    assert "words 0 " not in lines[0]
    off = Ease(Ease.Settings(words=0.0))
    off.setup(TrainingData(histories, item_text_I=told), Context(seed=1, say=lines.append))
    assert not off.serves_new_items
    assert "words" not in lines[1]


def test_words_that_are_not_there_are_refused() -> None:
    data = TrainingData(Histories.from_arrays([0, 0, 1], [0, 1, 1], n_users=2, n_items=2))
    with pytest.raises(ConfigError, match=r"encoder\.words=4\.0, and the items have no texts"):
        Ease(Ease.Settings(words=4.0)).setup(data, Context())


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
