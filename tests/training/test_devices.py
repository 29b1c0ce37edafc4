"""All parts keep their tensors on one device: what is trained and served on CUDA is what the CPU trains and serves.

The device is pretended, see `pretended_cuda`; tests on a real one are in `tests/stages/test_gpu.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pretended_cuda import CUDA, pretended_cuda
from shop import shop
from tiny_bert import tiny_bert
from tiny_gpt import tiny_gpt

from reccli import registry
from reccli.artifacts import read_vectors
from reccli.errors import Interrupted
from reccli.settings import EvaluateSettings, FinetuneSettings, PretrainSettings, RecommendSettings
from reccli.stages.common import Control
from reccli.stages.evaluate import evaluate
from reccli.stages.finetune import finetune
from reccli.stages.pretrain import pretrain
from reccli.stages.recommend import recommend
from reccli.workspace import Version, Workspace

COMMON: dict[str, Any] = {"epochs": 1, "batch_size": 64, "threads": 1, "precision": "fp32"}
READS_TEXT = ("bert", "bert-cross", "hybrid", "tastes")
VALUES = {"bert-cross": {"tastes": 8, "shown": 2}, "tastes": {"dim": 8}}
TEXT_MODELS: list[dict[str, Any]] = [
    {"encoder_settings": {"train": "all"}},
    {"encoder_settings": {"train": "lora", "checkpointing": True, "layer_decay": 0.9}},
    {
        "encoder_settings": {"train": "last-1"},
        "micro_batch": 8,
        "memory": 64,
        "mask_twins": True,
        "sampler": "in-batch",
    },
    {"encoder_settings": {"train": "last-1"}, "adversarial": 0.1, "swa": 1, "dropout": 0.1, "dropout_samples": 2},
    {"encoder_settings": {"train": "head", "user": "attention"}},
    {"encoder_settings": {"train": "last-1", "user": "text"}},
    {"encoder_settings": {"train": "last-1"}, "loss": "softmax", "aux": "cl4srec:0.1"},
]
OBJECTIVES = ["spectral", "negative-sampling", "graph-views", "mlm", "simcse", "neighbours", "clusters", "mlm+clusters"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "bert", dropout=0.0)


@pytest.fixture(scope="module")
def workspaces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Workspace]:
    place = tmp_path_factory.mktemp("shops")
    return {
        "ranking": shop(place / "ranking", users=16, items=12, user_texts=True, split="leave-one-out"),
        "rating": shop(place / "rating", users=16, items=12, task="rating", split="random"),
    }


def both(workspace: Workspace, **values: Any) -> tuple[Version, Version]:
    """Train on the CPU and on the pretended device; the same settings are two runs."""
    given = {**COMMON, **values}
    near = finetune(workspace, FinetuneSettings(**given, name="near", device="cpu"), Control(force=True)).version
    with pretended_cuda():
        far = finetune(workspace, FinetuneSettings(**given, name="far", device="cuda"), Control(force=True)).version
    assert near is not None
    assert far is not None
    assert (near.manifest.device, far.manifest.device) == ("cpu", "cuda:0")
    return near, far


def same(near: Version, far: Version) -> None:
    for name in ("user_vectors", "item_vectors"):
        width = near.manifest.facts["sparse_columns"]
        first, second = (read_vectors(version, name, sparse_columns=width) for version in (near, far))
        dense = [getattr(vectors, "dense_ND", vectors) for vectors in (first, second)]
        np.testing.assert_allclose(dense[1], dense[0], rtol=1e-3, atol=1e-4)
        sparse = [getattr(vectors, "sparse_NS", None) for vectors in (first, second)]
        if sparse[0] is not None:
            np.testing.assert_allclose(sparse[1].toarray(), sparse[0].toarray(), rtol=1e-3, atol=1e-4)


def test_the_pretended_device_refuses_what_a_real_one_refuses() -> None:
    with pretended_cuda():
        far, near = torch.ones(3, 2, device=CUDA), torch.ones(3, 2)
        assert (far + far).sum().item() == 12
        assert (far * torch.tensor(2.0))[torch.tensor([0, 2])].cpu().numpy().tolist() == [[2, 2], [2, 2]]
        with pytest.raises(RuntimeError, match="same device"):
            _ = far + near
        with pytest.raises(RuntimeError, match="same device"):
            _ = near[torch.zeros(1, dtype=torch.int64, device=CUDA)]
        with pytest.raises(RuntimeError, match="same device"):
            torch.cat([far, near])
        with pytest.raises(RuntimeError, match="generator"):
            torch.rand(2, device=CUDA, generator=torch.Generator())
        with pytest.raises(TypeError, match="numpy"):
            far.numpy()
        layer = torch.nn.Linear(2, 1).to(CUDA)
        layer(far).sum().backward()
        assert layer.weight.grad is not None
        assert layer.weight.grad.device == CUDA
        with pytest.raises(RuntimeError, match="same device"):
            layer(near)


@pytest.mark.parametrize("encoder", [name for name in registry.names("encoder") if name != "popularity"])
def test_every_encoder(workspaces: dict[str, Workspace], folder: Path, encoder: str) -> None:
    predicts = encoder in VALUES
    path = {"encoder_path": str(folder)} if encoder in READS_TEXT else {}
    given = {"encoder_settings": VALUES[encoder]} if predicts else {}
    near, far = both(workspaces["rating" if predicts else "ranking"], encoder=encoder, **path, **given)
    same(near, far)


@pytest.mark.parametrize("given", TEXT_MODELS, ids=str)
def test_every_way_to_train_a_text_model(workspaces: dict[str, Workspace], folder: Path, given: dict[str, Any]) -> None:
    same(*both(workspaces["ranking"], encoder="bert", encoder_path=str(folder), **given))


def test_a_decoder(workspaces: dict[str, Workspace], tmp_path: Path) -> None:
    path = str(tiny_gpt(tmp_path / "gpt"))
    same(*both(workspaces["ranking"], encoder="bert", encoder_path=path, encoder_settings={"train": "all"}))


@pytest.mark.parametrize("sampler", [name for name in registry.names("sampler") if name != "in-batch"])
def test_every_sampler(workspaces: dict[str, Workspace], sampler: str) -> None:
    given = {"sampler_settings": {"attribute": "genres"}} if sampler == "category" else {}
    same(*both(workspaces["ranking"], encoder="mf", loss="infonce", sampler=sampler, **given))


@pytest.mark.parametrize("loss", [name for name in registry.names("loss") if name not in ("mse", "infonce")])
def test_every_loss(workspaces: dict[str, Workspace], loss: str) -> None:
    same(*both(workspaces["ranking"], encoder="history", loss=loss))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective(workspaces: dict[str, Workspace], folder: Path, objective: str) -> None:
    path = {"encoder_path": str(folder)} if objective in ("mlm+clusters", *OBJECTIVES[3:]) else {}
    given = PretrainSettings(objective=objective, device="cuda", threads=1, **path)
    epochs = {} if objective == "spectral" else {"epochs": 1}
    with pretended_cuda():
        result = pretrain(workspaces["ranking"], given.model_copy(update=epochs), Control(force=True))
    assert result.version is not None
    assert result.version.manifest.device == "cuda:0"
    assert np.isfinite(result.version.read("training_log")["value"].to_numpy()).all()


@pytest.mark.parametrize("questions", [2, 5])
def test_a_run_is_taken_up_again(workspaces: dict[str, Workspace], folder: Path, questions: int) -> None:
    left = [questions]

    def stop() -> int | None:
        left[0] -= 1
        return 15 if left[0] < 0 else None

    given: dict[str, Any] = {**COMMON, "epochs": 3, "batch_size": 16, "encoder": "bert", "encoder_path": str(folder)}
    settings = FinetuneSettings(**given, encoder_settings={"train": "lora"}, memory=32, device="cuda", seed=questions)
    with pretended_cuda():
        with pytest.raises(Interrupted):
            finetune(workspaces["ranking"], settings, Control(stop=stop))
        version = finetune(workspaces["ranking"], settings, Control()).version
    assert version is not None
    assert version.manifest.facts["epochs"] == 3
    near = finetune(workspaces["ranking"], settings.model_copy(update={"device": "cpu"}), Control()).version
    assert near is not None
    same(near, version)


def test_runs_are_measured_and_served(workspaces: dict[str, Workspace], folder: Path, tmp_path: Path) -> None:
    workspace = workspaces["ranking"]
    (tmp_path / "new.csv").write_text("item,title,genres\nn1,a robot on a planet,space|robot\n")
    given: dict[str, Any] = {**COMMON, "encoder_path": str(folder), "device": "cuda"}
    asked: list[dict[str, Any]] = [
        {"users": ("u1",), "explain": True},
        {"users": ("u1",), "new_items": str(tmp_path / "new.csv")},
        {"history": ("i0", "i2")},
        {"user_text": "robots in space"},
    ]
    with pretended_cuda():
        for train in ("head", "last-1"):
            own = {"encoder": "bert", "name": train, "encoder_settings": {"train": train}}
            finetune(workspace, FinetuneSettings(**given, **own), Control())
        measured = evaluate(
            workspace, EvaluateSettings(runs=("head", "last-1"), compare=True, device="cuda"), Control()
        )
        lists = [
            recommend(workspace, RecommendSettings(run=("last-1",), k=3, device="cuda", **one), Control())
            for one in asked
        ]
    assert measured.status == "done"
    assert all(result.status == "done" for result in lists)
