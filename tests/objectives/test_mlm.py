"""The mlm objective: its loss against a loop, what is read and held out, and what frequencies alone reach."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from silent import Silent
from text_objective import TextObjectiveConformance

from reccli.api import Context, Histories, TrainingData
from reccli.errors import DataError
from reccli.objectives.mlm import MLM, history_texts
from reccli.testing.worlds import checkerboard
from reccli.training.loop import train
from reccli.training.pretraining import PretrainTask
from reccli.training.task import Plan


class TestMLM(TextObjectiveConformance):
    component = "mlm"


def ready(folder: Path, **settings) -> MLM:
    objective = MLM(MLM.Settings(path=str(folder), **settings))
    objective.setup(checkerboard(users=24, items=120, held_out=2).data, Context(seed=1))
    return objective


def test_the_loss_is_the_mean_over_hidden_tokens_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = ready(folder, mask=0.4).double().eval()
    seen = {}
    from reccli.objectives import mlm

    def noted(*args, **given):
        seen["code"] = args[0]
        seen["masked"], seen["hidden"] = hide(*args, **given)
        return seen["masked"], seen["hidden"]

    hide = mlm.hide
    monkeypatch.setattr(mlm, "hide", noted)
    value_B = objective.loss(torch.arange(6)).value_B.detach()
    tower, total = objective.trunk.source.tower, []
    for b in range(6):
        length = int((seen["code"][b] != 0).sum())
        with torch.no_grad():
            state = tower.model(input_ids=torch.from_numpy(seen["masked"][b, :length])[None]).last_hidden_state[0]
        for place in np.flatnonzero(seen["hidden"][b]):
            score = objective.head.transform(state[place]) @ objective.head.weight_VE.T + objective.head.bias_V
            total.append(-float(torch.log_softmax(score.detach(), 0)[seen["code"][b, place]]))
    assert value_B.dtype == torch.float64
    assert len(total) > 8
    assert float(value_B.mean()) == pytest.approx(np.mean(total), rel=1e-9)


def test_masks_are_dynamic_and_those_of_held_out_texts_are_not(folder: Path) -> None:
    objective = ready(folder).eval()
    row = torch.arange(objective.n_rows)
    assert float(objective.loss(row).value_B.detach().mean()) != float(objective.loss(row).value_B.detach().mean())
    assert objective.held_out() == objective.held_out()
    assert not set(objective.held_T.tolist()) & set(objective.kept_T.tolist())


def test_frequencies_alone_are_counted_on_training_texts(folder: Path) -> None:
    objective = ready(folder)
    tokenizer = objective.trunk.source.tower.tokenizer
    count = np.ones(len(objective.log_unigram_V))
    for number in objective.kept_T:
        for code in tokenizer(objective.trunk.texts[number])["input_ids"]:
            count[code] += code not in tokenizer.all_special_ids
    np.testing.assert_allclose(objective.log_unigram_V.numpy(), np.log(count / count.sum()), rtol=1e-5)
    assert objective.held_out()["unigram_loss"] < np.log(len(count))


def test_training_beats_the_frequencies(folder: Path) -> None:
    objective = ready(folder, train="all", mask=0.3, whole_word=True)
    task = PretrainTask(objective, Context(seed=1), batch_size=16)
    outcome = train(task, Plan(epochs=25, batch_size=16, learning_rate=3e-3, seed=3), Silent())
    best = {name: value for epoch, name, value in outcome.rows if epoch == outcome.best_epoch}
    assert outcome.best_value < outcome.first_value
    assert best["held_out_loss"] < best["unigram_loss"] - 0.1


def test_histories_are_read_too(folder: Path) -> None:
    items, both, told = (ready(folder, texts=texts) for texts in ("items", "both", "histories"))
    assert len(told.tokens) == 24
    assert len(both.tokens) == len(items.tokens) + 24
    assert len(told.held_T) == 1
    assert all(bool(loss.isfinite().all()) for loss in (told.loss(torch.arange(4)).value_B,))


def test_a_history_is_the_newest_items_that_fit_and_may_be_read() -> None:
    train_ = Histories.from_arrays([0, 0, 0, 0, 1, 2, 2], [0, 1, 2, 3, 0, 4, 1], n_users=3, n_items=5,
                                   time_E=[1, 2, 3, 4, 1, 1, 2])  # fmt: skip
    texts = ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc", "dddddddddddd"]
    text_I = np.array([0, 1, 2, 3, -1])
    data = TrainingData(train_)
    assert history_texts(data, text_I, texts, set(), 6) == ["; ".join(texts[1:])]
    assert history_texts(data, text_I, texts, {2}, 60) == ["; ".join([texts[0], texts[1], texts[3]])]


def test_histories_that_nobody_has_are_refused(folder: Path) -> None:
    data = checkerboard(users=24, items=40).data
    data = replace(data, train=Histories.from_arrays(range(24), range(24), n_users=24, n_items=40))
    with pytest.raises(DataError, match="no user has two items"):
        MLM(MLM.Settings(path=str(folder), texts="histories")).setup(data, Context())
