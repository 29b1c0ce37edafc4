"""Ratings by tastes over texts: conformance, a world that texts explain, new items, and what a run stores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest import SkipTest

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert

from reccli.api import Context, Histories, Similarity, TrainingData
from reccli.encoders.tastes import Tastes
from reccli.errors import ConfigError
from reccli.losses.mse import MSE
from reccli.testing import EncoderConformance, checkerboard
from reccli.testing.inputs import batch_of
from reccli.training.model import ScoringModel

torch.set_num_threads(1)
GENRES = ("comedy", "horror", "western", "opera")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny", dropout=0.0)


class Conforms(EncoderConformance):
    component = "tastes"
    folder = Path()

    def build(self):
        return Tastes(Tastes.Settings(path=str(self.folder), dim=8, chosen=4))

    def data(self):
        return checkerboard(users=12, items=10, held_out=1, task="rating").data


@pytest.mark.parametrize("name", [name for name in dir(EncoderConformance) if name.startswith("test_")])
def test_conforms(folder: Path, name: str) -> None:
    kit = type("Kit", (Conforms,), {"folder": folder})()
    try:
        getattr(kit, name)()
    except SkipTest as reason:
        pytest.skip(str(reason))


def world() -> tuple[TrainingData, np.ndarray]:
    """Users rate genres, which are words of the texts; the last 12 items have no ratings."""
    rng = np.random.default_rng(0)
    genre_I = np.arange(72) % 4
    rating_UI = 3 + rng.choice([-1.5, 1.5], (40, 4))[:, genre_I]
    known_UI = rng.random((40, 72)) < 0.4
    known_UI[:, 60:] = False
    user_E, item_E = np.nonzero(known_UI)
    value_E = rating_UI[user_E, item_E] + 0.2 * rng.standard_normal(len(user_E))
    train = Histories.from_arrays(user_E, item_E, value_E=value_E, n_users=40, n_items=72)
    texts = [f"film{number} {GENRES[genre]}" for number, genre in enumerate(genre_I)]
    return TrainingData(train, item_text_I=texts, task="rating"), rating_UI


def model_of(folder: Path, data: TrainingData) -> ScoringModel:
    encoder = Tastes(Tastes.Settings(path=str(folder), dim=32))
    encoder.setup(data, Context(seed=2))
    return ScoringModel(encoder, MSE(), Similarity("dot"), data)


def test_vectors_give_the_ratings_of_items_with_and_without_ratings(folder: Path) -> None:
    data, rating_UI = world()
    model = model_of(folder, data)
    predicted_UI = model.user_vectors(data.train) @ model.item_vectors().T
    for items in (slice(0, 60), slice(60, 72)):
        error = np.sqrt(np.mean((predicted_UI - rating_UI)[:, items] ** 2))
        assert error < 0.6  # by chance: 1.5
    told_NS = model.encoder.encode_texts(list(data.item_text_I or ())[60:])
    torch.testing.assert_close(told_NS, model.encoder.export_items()[60:], atol=1e-4, rtol=1e-4)


def test_there_are_no_biases_beside_its_vectors(folder: Path) -> None:
    data, _ = world()
    model = model_of(folder, data)
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert names == ["encoder.item_TK", "encoder.user_TK"]
    batch = batch_of(data, np.arange(20))
    loss, _ = model.batch_loss(batch)
    user_BD, item_BD = model.encoder.users(batch), model.encoder.items(batch.item_B)
    left_B = batch.value_B - data.train.value_E.mean() - (user_BD * item_BD).sum(1)
    torch.testing.assert_close(loss, left_B.square().mean())


def test_a_rating_of_its_own_does_not_reach_a_row(folder: Path) -> None:
    data, _ = world()
    first = model_of(folder, data).encoder
    value_E = data.train.value_E.copy()
    value_E[5] += 2
    other = Tastes(first.settings)
    other.setup(replace(data, train=replace(data.train, value_E=value_E)), Context(seed=2))
    other.load_state_dict(first.state_dict())
    before_BD, after_BD = (encoder.users(batch_of(data, np.arange(8))) for encoder in (first, other))
    torch.testing.assert_close(before_BD[5], after_BD[5])
    assert not torch.allclose(before_BD[4], after_BD[4])


def test_ranking_is_refused(folder: Path) -> None:
    data, _ = world()
    with pytest.raises(ConfigError, match="predicts ratings"):
        Tastes(Tastes.Settings(path=str(folder))).setup(replace(data, task="ranking"), Context())
