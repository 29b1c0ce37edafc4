"""Where a search looks next, and which of its trials it cuts short."""

from __future__ import annotations

from typing import Any

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.trial import Trial

from reccli.api.component import Context
from reccli.api.search import Choices
from reccli.training.search_space import Parameter

__all__ = ["drawn", "pruner_of", "sampler_of"]

STARTUP = 10  # trials before the sampler models what it has seen
PRUNER_TRIALS, PRUNER_EPOCHS = 5, 3  # trials that are whole, and epochs of every trial that are made, before any is cut


def sampler_of(seed: int, place: int) -> TPESampler:
    """Return what proposes the settings of the trial in some place, by the seed and that place.

    Trials of other processes that still run count as bad ones, so that not all look at the same spot.

    Paper:
        Bergstra, Bardenet, Bengio, Kegl: Algorithms for Hyper-Parameter Optimization, NeurIPS 2011, section 4.
    """
    draws = Context(seed=seed).derived_seed(f"tune trial {place}") % 2**32
    return TPESampler(seed=draws, n_startup_trials=STARTUP, constant_liar=True)


def drawn(trial: Trial, parameter: Parameter) -> Any:
    """Return the value that a trial takes for a parameter."""
    space, name = parameter.space, parameter.name
    if isinstance(space, Choices):
        return trial.suggest_categorical(name, space.values)
    if parameter.whole:
        return trial.suggest_int(name, int(space.low), int(space.high), log=space.log)
    return parameter.rounded(trial.suggest_float(name, space.low, space.high, log=space.log))


def pruner_of(name: str, epochs: int) -> BasePruner:
    """Return what ends trials early, `median`, `hyperband` or `none`, for trainings of so many epochs.

    Paper:
        Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar: Hyperband, JMLR 18, 2018, https://arxiv.org/abs/1603.06560.
    """
    if name == "median" and epochs > 1:
        return MedianPruner(n_startup_trials=PRUNER_TRIALS, n_warmup_steps=PRUNER_EPOCHS)
    if name == "hyperband" and epochs > 1:
        return HyperbandPruner(min_resource=1, max_resource=epochs)
    return NopPruner()
