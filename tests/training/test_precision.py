"""bf16 on the CPU: used in the forward pass, weights in float32, learning, and exact resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_bert import tiny_bert

from reccli import registry
from reccli.api import Context, Similarity
from reccli.errors import Interrupted
from reccli.stages.common import Control
from reccli.testing import checkerboard
from reccli.training import precision
from reccli.training.checkpoint import Checkpoints
from reccli.training.finetuning import FinetuneTask
from reccli.training.loop import train
from reccli.training.mechanics import Mechanics
from reccli.training.model import ScoringModel
from reccli.training.precision import Precision
from reccli.training.task import Plan

PLAN = Plan(epochs=3, batch_size=32, learning_rate=3e-3, precision="bf16")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny")


def task(folder: Path) -> FinetuneTask:
    data = checkerboard(users=12, items=12).data
    encoder = registry.create("encoder", "bert", {"path": str(folder), "train": "last-1", "trunk_scale": 1.0})
    encoder.setup(data, Context(seed=3))
    loss = registry.create("loss", "infonce", {"temperature": 0.1})
    model = ScoringModel(encoder, loss, Similarity("cosine"), data, Mechanics(micro_batch=5))
    sampler = registry.create("sampler", "in-batch")
    sampler.setup(data, Context())
    return FinetuneTask(model, sampler, data, None, Context(seed=3), batch_size=32)


def test_it_trains_in_bf16_and_keeps_weights_in_full(folder: Path) -> None:
    run, seen = task(folder), set()
    tower = run.module.encoder.source.tower
    tower.model.encoder.layer[0].output.dense.register_forward_hook(lambda m, i, out: seen.add(out.dtype))
    outcome = train(run, PLAN, Control())
    assert torch.bfloat16 in seen
    losses = [value for _, name, value in outcome.rows if name == "loss"]
    assert losses[-1] < losses[0]
    assert {p.dtype for p in run.module.parameters()} == {torch.float32}
    assert run.module.encoder.export_items().dtype == torch.float32


class StopAfter:
    left = 5

    def __call__(self) -> int | None:
        self.left -= 1
        return 15 if self.left < 0 else None


def test_resumed_is_bit_equal(folder: Path, tmp_path: Path) -> None:
    whole, parts = task(folder), task(folder)
    train(whole, PLAN, Control())
    with pytest.raises(Interrupted):
        train(task(folder), PLAN, Control(stop=StopAfter()), Checkpoints(tmp_path))
    train(parts, PLAN, Control(), Checkpoints(tmp_path))
    first, second = whole.module.state_dict(), parts.module.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_cpu_without_bf16_is_told(monkeypatch: pytest.MonkeyPatch, regression: Any) -> None:
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: False)
    said: list[str] = []
    train(regression(), Plan(epochs=0, batch_size=4, learning_rate=0.1, precision="bf16"), Control(say=said.append))
    assert said == ["precision bf16: this CPU has no such numbers of its own and imitates them, slower than fp32"]
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: True)
    assert Precision("bf16", torch.device("cpu")).note == ""
