"""Trials of Optuna's as others see them."""

from __future__ import annotations

import pytest

pytest.importorskip("optuna")

import optuna

from reccli.api import Range
from reccli.stages.tune_attempt import attempt_of, values_of
from reccli.training.search_space import Parameter

PARAMETERS = [Parameter("heat", Range(0, 1)), Parameter("cold", Range(0, 1))]


def test_states_values_and_facts() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    for number in range(3):
        trial = study.ask()
        trial.suggest_float("heat", 0, 1)
        trial.set_user_attr("worker", "w")
        trial.set_user_attr("seconds", 1.5)
        for epoch in (1, 2):
            trial.report(0.1 * epoch, epoch)
        if number < 2:
            value, state = (0.7, "COMPLETE") if number == 0 else (None, "PRUNED")
            study.tell(trial, value, state=optuna.trial.TrialState[state])
    whole, pruned, running = (attempt_of(trial, PARAMETERS, lost=False) for trial in study.trials)
    assert (whole.state, whole.value, whole.facts) == ("complete", 0.7, {"seconds": 1.5})
    assert (pruned.state, pruned.value, pruned.facts) == ("pruned", 0.2, {"seconds": 1.5, "epochs": 2})
    assert (running.state, running.value) == ("running", None)
    assert attempt_of(study.trials[2], PARAMETERS, lost=True).state == "lost"
    assert values_of(study.trials[0], PARAMETERS) == whole.values
    assert list(whole.values) == ["heat"]
    assert whole.values["heat"] == float(f"{study.trials[0].params['heat']:.4g}")
