"""Limits, and training that collapses, or does not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from reccli.errors import DivergedError
from reccli.stages.common import Control
from reccli.training.checkpoint import Checkpoints
from reccli.training.collapse import Limits, collapse_error
from reccli.training.loop import train
from reccli.training.task import Plan

LIMITS = Limits(cosine=0.9, rank=1.5)


def measured(cosine: float, rank: float, kind: str = "users") -> dict[str, float]:
    return {f"health.{kind}.mean_cosine": cosine, f"health.{kind}.effective_rank": rank}


@pytest.mark.parametrize("kind", ["users", "items"])
def test_what_has_collapsed_and_by_which_number(kind: str) -> None:
    assert LIMITS.broken(measured(0.9, 1.5, kind)) is None
    assert LIMITS.broken(measured(0.91, 1.5, kind)) == (
        f"the vectors of {kind} have collapsed: mean cosine 0.9100 (limit 0.9)"
    )
    assert LIMITS.broken(measured(0.1, 1.25, kind)) == (
        f"the vectors of {kind} have collapsed: effective rank 1.250 (limit 1.5)"
    )


def test_no_limits_and_no_numbers_are_never_broken() -> None:
    assert Limits().broken(measured(1.0000002, 0.0)) is None
    assert LIMITS.broken({"ndcg@10": 0.1}) is None


def test_the_error_says_what_to_do() -> None:
    error = collapse_error("it is flat", epoch=3, best_epoch=1, learning_rate=0.5)
    assert error.exit_code == 7
    assert error.message == "it is flat in epoch 3, learning rate 0.5; the weights of epoch 1 are kept"
    assert error.hint == (
        "lower the rate: --learning-rate 0.05, spread vectors: --loss infonce+directau:0.5, "
        "or finish with epoch 1: the same command with --collapse keep"
    )


def narrowing(regression: Any, cosines: list[float], errors: list[float]) -> Any:
    """Return a task whose validations tell these numbers, one an epoch from the start on."""
    task, told = regression(), iter(zip(cosines, errors, strict=True))

    def validate() -> Mapping[str, float]:
        cosine, error = next(told)
        return {"error": error, **measured(cosine, 5.0)}

    task.validate = validate
    return task


def plan(**changes: Any) -> Plan:
    return Plan(**{"epochs": 4, "batch_size": 4, "learning_rate": 0.05, "limits": LIMITS, **changes})


COSINES, ERRORS = [0.1, 0.5, 0.95, 0.99, 0.99], [3.0, 2.0, 2.5, 2.6, 2.7]


def test_a_collapse_stops_and_keeps_the_best_weights(regression: Any, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"mean cosine 0\.9500 \(limit 0\.9\) in epoch 2.*weights of epoch 1"):
        train(narrowing(regression, COSINES, ERRORS), plan(), Control(), Checkpoints(tmp_path))
    kept = Checkpoints(tmp_path).load()
    assert kept is not None
    assert kept.state["best"]["epoch"] == 1
    one = regression()
    train(one, plan(epochs=1, limits=Limits()), Control())
    for name, value in one.module.state_dict().items():
        assert torch.equal(kept.tensors[f"best/{name}"], value)


def test_the_same_command_fails_again_or_ends_with_the_best_weights(regression: Any, tmp_path: Path) -> None:
    for _ in range(2):
        task = narrowing(regression, COSINES, ERRORS)
        with pytest.raises(DivergedError, match="in epoch 2"):
            train(task, plan(), Control(), Checkpoints(tmp_path))
    assert task.steps == 0, "what has collapsed is not trained on"
    keep = Limits(cosine=0.9, rank=1.5, keep=True)
    outcome = train(task, plan(limits=keep), Control(), Checkpoints(tmp_path))
    assert (outcome.stopped, outcome.epochs, outcome.best_epoch, outcome.best_value) == ("collapse", 2, 1, 2.0)
    straight = narrowing(regression, COSINES, ERRORS)
    train(straight, plan(limits=keep), Control())
    for name, value in straight.module.state_dict().items():
        assert torch.equal(task.module.state_dict()[name], value)


@pytest.mark.parametrize("errors", [[3.0, 2.0, 1.5, 1.4, 1.3], [3.0, 2.0, 2.0, 2.0, 2.0]])
def test_narrow_vectors_that_rank_no_worse_are_no_collapse(regression: Any, errors: list[float]) -> None:
    assert train(narrowing(regression, COSINES, errors), plan(), Control()).stopped == "epochs"
