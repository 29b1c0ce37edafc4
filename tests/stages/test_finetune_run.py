"""One fine-tuning of a text model: stopped and gone on it is as undisturbed, whatever is trained."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from shop import shop
from tiny_bert import tiny_bert

from reccli.errors import Interrupted
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
