"""One fine-tuning of a text model: stopped and gone on it is as undisturbed, whatever is trained."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from shop import shop
from tiny_bert import tiny_bert

from reccli.errors import DivergedError, Interrupted
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control
from reccli.stages.finetune import finetune
from reccli.workspace import Workspace

torch.set_num_threads(1)


@pytest.mark.parametrize(("train", "questions"), [("head", 2), ("lora", 2), ("lora", 7), ("last-1", 2), ("all", 7)])
def test_stopped_and_gone_on_is_bit_equal(train: str, questions: int, tmp_path: Path) -> None:
    if train == "lora":
        pytest.importorskip("peft")
    workspace = shop(tmp_path / "shop")
    shutil.copytree(workspace.path, tmp_path / "other")
    other = Workspace(tmp_path / "other")
    settings = FinetuneSettings(
        encoder="bert",
        loss="infonce",
        encoder_path=str(tiny_bert(tmp_path / "tiny", dropout=0.2)),
        device="cpu",
        epochs=3,
        batch_size=64,
        dropout=0.1,
        average=0.9,
        encoder_settings={"train": train},
    )
    finetune(workspace, settings, Control())
    asked = iter([None] * questions + [15])
    with pytest.raises(Interrupted):
        finetune(other, settings, Control(stop=lambda: next(asked)))
    said: list[str] = []
    finetune(other, settings, Control(say=said.append))
    assert any("resuming" in line for line in said)
    versions = [ws.current("finetune") for ws in (workspace, other)]
    assert versions[0].manifest.content == versions[1].manifest.content


def test_the_metric_on_train_rows_is_logged_and_changes_nothing_else(tmp_path: Path) -> None:
    workspace = shop(tmp_path / "shop")
    settings = FinetuneSettings(
        encoder="mf",
        loss="bpr",
        device="cpu",
        epochs=6,
        patience=0,
        batch_size=64,
        learning_rate=0.05,
        encoder_settings={"start": "random"},
    )
    plain = finetune(workspace, settings, Control()).version
    result = finetune(workspace, settings.model_copy(update={"train_metric": True, "name": "told"}), Control())
    told = result.version
    for name in ("item_vectors.parquet", "user_vectors.parquet"):
        assert plain.manifest.outputs[name].sha256 == told.manifest.outputs[name].sha256
    assert not any(name.startswith("train.") for name in plain.read("training_log")["metric"])
    log = told.read("training_log")
    trained = log.filter(log["metric"] == "train.ndcg@10")
    assert trained["epoch"].to_list() == list(range(7))
    best = told.manifest.facts["best_epoch"]
    assert told.manifest.facts["train_value"] == trained["value"][best]
    assert plain.manifest.facts["train_value"] is None
    assert trained["value"][-1] > trained["value"][0]
    assert any(f"(train {trained['value'][best]:.4f})" in line for line in result.lines)


def test_a_closed_form_is_measured_on_train_rows_too(tmp_path: Path) -> None:
    settings = FinetuneSettings(encoder="spectral", device="cpu", train_metric=True)
    facts = finetune(shop(tmp_path / "shop"), settings, Control()).version.manifest.facts
    assert facts["train_value"] is not None


@pytest.mark.parametrize(("task", "loss"), [("ranking", "softmax"), ("rating", "mse")])
def test_a_training_that_runs_away_between_validations_is_told_as_such(task: str, loss: str, tmp_path: Path) -> None:
    workspace = shop(tmp_path, users=12, items=12, task=task)
    settings = FinetuneSettings(encoder="history", loss=loss, learning_rate=1e20, epochs=3, device="cpu", threads=1)
    with pytest.raises(DivergedError):
        finetune(workspace, settings, Control())
