from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from reccli.errors import DivergedError, Interrupted, OutOfMemoryError
from reccli.stages.common import Control
from reccli.training.checkpoint import Checkpoints
from reccli.training.loop import train
from reccli.training.task import Plan


def plan(**changes: Any) -> Plan:
    return Plan(**{"epochs": 6, "batch_size": 4, "learning_rate": 0.05, "average": 0.5, **changes})


def weights(task: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in task.module.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_learns_and_keeps_the_best_epoch(regression: Any) -> None:
    task = regression()
    outcome = train(task, plan(epochs=20, average=0.0), Control())
    errors = [value for _, name, value in outcome.rows if name == "error"]
    assert min(errors) < 0.1 * errors[0]
    assert outcome.best_value == min(errors)
    assert errors[outcome.best_epoch] == min(errors)
    assert task.validate()["error"] == pytest.approx(outcome.best_value, rel=1e-6)


@pytest.mark.fault(116)
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "adafactor"])
@pytest.mark.parametrize("questions", [3, 5, 12])
def test_f116_resumed_is_bit_equal(
    regression: Any, stop_after: Any, tmp_path: Path, optimizer: str, questions: int
) -> None:
    settings = plan(optimizer=optimizer, schedule="cosine", warmup=0.2, clip=1.0)
    whole = regression()
    straight = train(whole, settings, Control())
    with pytest.raises(Interrupted) as stopped:
        train(regression(), settings, stop_after(questions).control(), Checkpoints(tmp_path))
    assert stopped.value.exit_code == 143
    assert "again" in str(stopped.value.hint)
    parts = regression()
    resumed = train(parts, settings, Control(), Checkpoints(tmp_path))
    assert same(weights(whole), weights(parts))
    assert resumed.rows == straight.rows
    assert resumed.best_epoch == straight.best_epoch


def test_a_resumed_run_does_not_repeat_steps(regression: Any, stop_after: Any, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(regression(), plan(), stop_after(7).control(), Checkpoints(tmp_path))
    task = regression()
    outcome = train(task, plan(), Control(), Checkpoints(tmp_path))
    assert task.steps == outcome.steps - 7


def test_checkpoints_of_another_version_are_told_and_leave_room(
    regression: Any, stop_after: Any, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        train(regression(), plan(), stop_after(7).control(), Checkpoints(tmp_path))
    for path in tmp_path.glob("step-*/state.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 1}))
    lines: list[str] = []
    with pytest.raises(Interrupted):
        train(regression(), plan(), Control(say=lines.append, stop=stop_after(3)), Checkpoints(tmp_path))
    assert "no checkpoint there is whole and of this version: training begins anew" in lines
    assert [path.name for path in tmp_path.glob("step-*")] == ["step-000000003"]


def test_patience_ends_it(regression: Any) -> None:
    outcome = train(regression(), plan(epochs=200, learning_rate=0.2, patience=2, average=0.0), Control())
    assert outcome.stopped == "patience"
    assert outcome.epochs == outcome.best_epoch + 2


def test_the_monitor_sees_every_validation_and_may_end_it(regression: Any) -> None:
    seen: list[tuple[int, float]] = []

    def validated(epoch: int, metrics: Any) -> None:
        seen.append((epoch, metrics["error"]))
        if epoch == 3:
            raise StopIteration

    outcome_rows = train(regression(), plan(epochs=3), Control()).rows
    with pytest.raises(StopIteration):
        train(regression(), plan(), Control(validated=validated))
    assert seen == [(epoch, value) for epoch, name, value in outcome_rows if name == "error"]
    assert [epoch for epoch, _ in seen] == [0, 1, 2, 3]


def test_no_epochs_keeps_the_start(regression: Any) -> None:
    task = regression()
    before = weights(task)
    outcome = train(task, plan(epochs=0), Control())
    assert outcome.epochs == outcome.best_epoch == 0
    assert same(before, weights(task))


@pytest.mark.fault(118)
def test_f118_the_clock_ends_it(regression: Any) -> None:
    outcome = train(regression(), plan(epochs=10_000, max_time=0.2), Control())
    assert outcome.stopped == "time"
    assert 0 < outcome.epochs < 10_000


@pytest.mark.fault(109)
def test_f109_nan_stops_and_keeps_what_was_good(regression: Any, tmp_path: Path) -> None:
    task = regression()
    task.poison = 12
    with pytest.raises(DivergedError, match="loss is nan in step 12") as diverged:
        train(task, plan(), Control(), Checkpoints(tmp_path))
    assert diverged.value.exit_code == 7
    assert "--learning-rate" in str(diverged.value.hint)
    noted = json.loads((tmp_path / "diverged.json").read_text(encoding="utf-8"))
    assert len(noted["rows"]) == 4
    assert noted["learning_rate"] == 0.05
    kept = Checkpoints(tmp_path).load()
    assert kept is not None
    assert kept.step == 12
    assert all(value.isfinite().all() for value in kept.tensors.values() if value.is_floating_point())


def test_a_gradient_that_is_not_finite_stops(regression: Any) -> None:
    task = regression()
    task.module.linear.weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(DivergedError, match="gradient norm"):
        train(task, plan(), Control())


@pytest.mark.fault(112)
def test_f112_memory_names_a_smaller_batch(regression: Any) -> None:
    task = regression()

    def loss(row_B: torch.Tensor) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    task.loss = loss
    with pytest.raises(OutOfMemoryError) as full:
        train(task, plan(), Control())
    assert full.value.exit_code == 10
    assert full.value.hint == "--batch-size 2"


def test_the_callers_generator_is_left_alone(regression: Any) -> None:
    task = regression()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    train(task, plan(), Control())
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("questions", [3, 12])
def test_constants_of_a_resumed_run_are_those_it_began_with(
    regression: Any, stop_after: Any, tmp_path: Path, questions: int
) -> None:
    def solved(value: float) -> Any:
        task = regression()
        task.module.register_buffer("solved", torch.full((50,), value))
        task.module.constants = frozenset({"solved"})
        return task

    whole = solved(2.0)
    straight = train(whole, plan(), Control())
    with pytest.raises(Interrupted):
        train(solved(2.0), plan(), stop_after(questions).control(), Checkpoints(tmp_path))
    kept = Checkpoints(tmp_path).load()
    assert kept is not None
    assert set(kept.constants) == {"solved"}
    assert not [name for name in kept.tensors if "solved" in name]
    parts = solved(3.0)  # solved anew with other digits, as by other threads
    resumed = train(parts, plan(), Control(), Checkpoints(tmp_path))
    assert same(weights(whole), weights(parts))
    assert resumed.rows == straight.rows
