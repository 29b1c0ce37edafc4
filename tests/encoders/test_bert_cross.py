"""The joint encoder: conformance, its start, what it learns, and what a run of it stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np
import pytest
import torch
from shop import shop
from tiny_bert import tiny_bert

from reccli.api import Context, Histories, Similarity
from reccli.artifacts import Prepared
from reccli.encoders.bert_cross import BertCross
from reccli.errors import ConfigError, DamagedArtifactError
from reccli.losses.bce import BCE
from reccli.losses.mse import MSE
from reccli.settings import EvaluateSettings, FinetuneSettings
from reccli.stages.common import Control
from reccli.stages.evaluate import evaluate
from reccli.stages.finetune import finetune
from reccli.testing import EncoderConformance, checkerboard
from reccli.testing.inputs import batch_of
from reccli.testing.worlds import World
from reccli.training.finetuning import FinetuneTask
from reccli.training.loop import train
from reccli.training.model import ScoringModel
from reccli.training.restore import load_encoder
from reccli.training.task import Plan

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny", dropout=0.0)


class Conforms(EncoderConformance):
    component = "bert-cross"
    folder, given = Path(), {}

    def build(self):
        return BertCross(BertCross.Settings(path=str(self.folder), shown=2, **self.given))

    def data(self):
        return checkerboard(users=12, items=10, held_out=1, task="rating").data


@pytest.mark.parametrize("mode", ["head", "last-1"])
@pytest.mark.parametrize("name", [name for name in dir(EncoderConformance) if name.startswith("test_")])
def test_conforms(folder: Path, name: str, mode: str) -> None:
    kit = type("Kit", (Conforms,), {"folder": folder, "given": {"train": mode}})()
    try:
        getattr(kit, name)()
    except SkipTest as reason:
        pytest.skip(str(reason))


def setup(folder: Path, world: World, **given: Any) -> BertCross:
    encoder = BertCross(BertCross.Settings(path=str(folder), shown=2, **given))
    encoder.setup(world.data, Context(seed=3))
    return encoder


def test_it_starts_from_the_least_squares_fit_of_the_evidence(folder: Path) -> None:
    world = checkerboard(users=12, items=10, task="rating")
    encoder, data = setup(folder, world, tastes=0), world.data.train
    user, item = torch.from_numpy(data.user_E), torch.from_numpy(data.item_E)
    seen = encoder.evidence(user, item)
    x = seen.evidence_R.double().numpy()
    y = data.value_E - float(encoder.evidence.mean) - encoder.evidence.bias_I[item].numpy() - seen.bias_R.numpy()
    assert float(encoder.weight.detach()) == pytest.approx(
        float(np.linalg.lstsq(x[:, None], y, rcond=None)[0][0]), rel=1e-3
    )
    torch.testing.assert_close(encoder.scores(user, item).detach(), encoder.weight.detach() * seen.evidence_R)


@pytest.mark.parametrize(("task", "loss"), [("rating", MSE), ("ctr", BCE)])
def test_it_predicts_what_biases_cannot(folder: Path, task: str, loss: type[Any]) -> None:
    world = checkerboard(users=24, items=16, task=task)
    data, context = world.data, Context(seed=3)
    model = ScoringModel(setup(folder, world, train="last-1", tastes=0), loss(), Similarity("dot"), data)
    task_ = FinetuneTask(model, None, data, None, context, batch_size=32)
    train(task_, Plan(epochs=6, batch_size=32, learning_rate=0.01, seed=1), Control())
    users, items = model.user_vectors(data.train), model.item_vectors()
    biases = (users[world.held_user_H] * items[world.held_item_H]).sum(1)
    score = biases + model.pair_scores(world.held_user_H, world.held_item_H)
    if task == "rating":
        wrong = ((biases - world.held_value_H) ** 2).mean()
        assert ((score - world.held_value_H) ** 2).mean() < 0.5 * wrong
    else:
        assert (score - biases).mean() > 0.3  # what is held out is liked


def test_for_ratings_its_vectors_are_tastes_and_the_evidence_is_what_they_leave(folder: Path) -> None:
    world = checkerboard(users=24, items=16, task="rating")
    data, wrong = world.data, []
    for tastes in (0, 16):
        encoder = setup(folder, world, tastes=tastes).eval()
        model = ScoringModel(encoder, MSE(), Similarity("dot"), data)
        score = model.user_vectors(data.train)[world.held_user_H] * model.item_vectors()[world.held_item_H]
        wrong.append(((score.sum(1) - world.held_value_H) ** 2).mean())
    assert wrong[1] < 0.7 * wrong[0]
    batch = batch_of(data, np.arange(len(data.train)))
    with torch.no_grad():
        x = encoder.evidence(batch.user_B, batch.item_B).evidence_R.double().numpy()
        told = (encoder.users(batch) * encoder.items(batch.item_B)).sum(1).numpy()
    y = data.train.value_E - data.train.value_E.mean() - told
    assert float(encoder.weight.detach()) == pytest.approx(float(x @ y / (x @ x)), rel=1e-3, abs=1e-5)


def test_before_the_first_step_nothing_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = checkerboard(users=12, items=10, task="rating")
    encoder, codes = setup(folder, world).eval(), torch.arange(5)
    read = encoder.scores(codes, codes)
    monkeypatch.setattr(type(encoder.pairs), "tokens", None)
    with torch.no_grad():
        torch.testing.assert_close(encoder.scores(codes, codes), read)


def test_marks_and_entries_are_those_most_like_the_item(folder: Path) -> None:
    world = checkerboard(users=12, items=10, task="rating")
    encoder, data = setup(folder, world), world.data.train
    user, item = torch.from_numpy(data.user_E), torch.from_numpy(data.item_E)
    seen = encoder.evidence(user, item)
    item_RS, mark_RS = encoder._shown(seen, data)
    assert (item_RS != data.item_E[:, None]).all()
    spread = 0.5 * data.value_E.std()
    expected = np.where(seen.left_RS.numpy() > spread, 2, np.where(seen.left_RS.numpy() < -spread, 0, 1))
    np.testing.assert_array_equal(mark_RS, expected)
    assert len(set(mark_RS.ravel())) == 3


def test_rows_of_an_epoch_follow_from_the_epoch(folder: Path) -> None:
    encoder = setup(folder, checkerboard(users=12, items=10, task="rating"), rows=20)
    drawn = []
    for epoch in (1, 2, 1):
        encoder.begin_epoch(epoch)
        drawn.append(encoder.rows_of_epoch())
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])
    assert [int(rows.sum()) for rows in drawn] == [20, 20, 20]
    small = setup(folder, checkerboard(users=12, items=10, task="rating"))
    small.begin_epoch(1)
    assert small.rows_of_epoch() is None


def test_new_users_are_scored_by_their_history(folder: Path) -> None:
    world = checkerboard(users=12, items=10, task="rating")
    encoder = setup(folder, world).eval()
    new = Histories.from_arrays([0, 0], [0, 1], n_users=1, n_items=10, value_E=[5, 1])
    with torch.no_grad():
        score = encoder.scores(torch.zeros(2, dtype=torch.long), torch.tensor([4, 5]), new)
    assert score[0] > score[1]


def test_ranking_is_refused_with_the_next_step(folder: Path) -> None:
    with pytest.raises(ConfigError, match="predicts ratings or clicks, and the task is ranking") as caught:
        setup(folder, checkerboard(users=12, items=10))
    assert "--task rating" in str(caught.value.hint)


def test_weights_of_another_model_are_refused(folder: Path, tmp_path: Path) -> None:
    world = checkerboard(users=12, items=10, task="rating")
    other = setup(tiny_bert(tmp_path / "other", seed=5), world)
    with pytest.raises(DamagedArtifactError, match="not the one that this run was trained with"):
        other.load_state_dict(setup(folder, world).state_dict())


def test_a_run_is_evaluated_by_pairs_and_opens_again(folder: Path, tmp_path: Path) -> None:
    workspace = shop(tmp_path, task="rating", split="random")
    values = {"encoder": "bert-cross", "encoder_settings": {"path": str(folder), "train": "last-1", "shown": 2}}
    run = finetune(workspace, FinetuneSettings(**values, epochs=2, device="cpu", threads=1), Control())
    assert run.data["joint"] is True
    assert run.version is not None
    finetune(workspace, FinetuneSettings(encoder="mf", encoder_settings={"dim": 2}, epochs=0, device="cpu"), Control())
    both = EvaluateSettings(runs=("bert-cross-mse", "mf-mse"), resamples=0, device="cpu", metrics=("mse",))
    mse = {row["run"]: row["value"] for row in evaluate(workspace, both, Control()).data["metrics"]}
    assert mse["bert-cross-mse"] < mse["mf-mse"]  # an untrained mf is the biases
    prepared = Prepared(workspace.current("prepare"))
    fitted = load_encoder(run.version, prepared)
    test, known = prepared.histories("test"), prepared.histories("train", "valid")
    score = (fitted.user_vectors(known)[test.user_E] * fitted.item_vectors()[test.item_E]).sum(1)
    score = score + fitted.pair_scores(test.user_E, test.item_E, known)
    low, high = run.data["value_range"]
    assert ((score.clip(low, high) - test.value_E) ** 2).mean() == pytest.approx(mse["bert-cross-mse"], rel=1e-4)
