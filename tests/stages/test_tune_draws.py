"""Draws follow seed and place alone; pruners are those asked for."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("optuna")

import optuna

from reccli.api import Choices, Range
from reccli.stages.tune_draws import drawn, pruner_of, sampler_of
from reccli.training.search_space import Parameter

PARAMETERS = [
    Parameter("heat", Range(0.05, 1, log=True)),
    Parameter("size", Range(1, 8), whole=True),
    Parameter("kind", Choices(("a", 2, True))),
]


def draw(seed: int, place: int) -> list[Any]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trial = optuna.create_study(sampler=sampler_of(seed, place)).ask()
    return [drawn(trial, parameter) for parameter in PARAMETERS]


def test_draws_follow_seed_and_place() -> None:
    assert draw(1, 0) == draw(1, 0)
    assert draw(1, 0) != draw(1, 1)
    assert draw(1, 0) != draw(2, 0)
    for place in range(20):
        for parameter, value in zip(PARAMETERS, draw(1, place), strict=True):
            assert parameter.space.holds(value)
        assert isinstance(draw(1, place)[1], int)


@pytest.mark.parametrize(
    ("name", "epochs", "kind"),
    [
        ("median", 6, "MedianPruner"),
        ("hyperband", 6, "HyperbandPruner"),
        ("none", 6, "NopPruner"),
        ("median", 0, "NopPruner"),
        ("hyperband", 1, "NopPruner"),
    ],
)
def test_pruners(name: str, epochs: int, kind: str) -> None:
    assert type(pruner_of(name, epochs)).__name__ == kind
