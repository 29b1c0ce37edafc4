"""Trials of a search as they are read: what was tried, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from reccli.training.search_space import Parameter

__all__ = ["FAILED", "LOST", "Attempt", "Ended", "Measured", "attempt_of", "values_of"]

COMPLETE, PRUNED, FAILED, LOST = "complete", "pruned", "failed", "lost"
STATES = {
    TrialState.COMPLETE: COMPLETE,
    TrialState.PRUNED: PRUNED,
    TrialState.FAIL: FAILED,
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


class Ended(Exception):
    """A trial ends before its training does: it is no better than others at the same epoch."""


@dataclass(frozen=True)
class Measured:
    """What a trial came to.

    Args:
        value: Metric of the best epoch on validation.
        epoch: That epoch.
        epochs: Passes made.
    """

    value: float
    epoch: int = 0
    epochs: int = 0


@dataclass(frozen=True)
class Attempt:
    """A trial as others see it.

    Args:
        number: Counted from 0, over all processes.
        state: `complete`, `pruned`, `failed`, `running`, or `lost` with its process (and done again by another trial).
        values: Settings by name.
        value: Metric, or None.
        facts: `epoch`, `epochs`, `seconds`, `message`, where they are known.
        started: Seconds since 1970, or None.
    """

    number: int
    state: str
    values: Mapping[str, Any]
    value: float | None
    facts: Mapping[str, Any]
    started: float | None


def attempt_of(trial: FrozenTrial, parameters: Sequence[Parameter], *, lost: bool) -> Attempt:
    """Return a trial of Optuna's as others see it."""
    facts = {name: fact for name, fact in trial.user_attrs.items() if name != "worker"}
    value = trial.value
    if trial.state == TrialState.PRUNED and trial.intermediate_values:
        facts["epochs"] = max(trial.intermediate_values)
        value = trial.intermediate_values[facts["epochs"]]
    started = None if trial.datetime_start is None else trial.datetime_start.timestamp()
    state = LOST if lost else STATES[trial.state]
    return Attempt(trial.number, state, values_of(trial, parameters), value, facts, started)


def values_of(trial: FrozenTrial, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return the settings of a trial, as far as they were asked for."""
    return {
        parameter.name: parameter.rounded(trial.params[parameter.name])
        for parameter in parameters
        if parameter.name in trial.params
    }
