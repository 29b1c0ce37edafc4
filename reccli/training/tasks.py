"""What a run is trained for: one task, or several at once with weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reccli import registry
from reccli.artifacts import Prepared
from reccli.errors import ConfigError, one_of

__all__ = ["TASKS", "Side", "parse_tasks", "resolve_sides", "task_of"]

TASKS = ("ranking", "rating", "ctr")
VALUE_LOSSES = {"rating": "mse", "ctr": "bce"}
BESIDE = {"ranking": ("rating",), "rating": ("ranking",), "ctr": ("ranking",)}


@dataclass(frozen=True)
class Side:
    """A task beside the first one.

    Args:
        task: `ranking` or `rating`.
        loss: Its loss.
        weight: What the loss is multiplied by.
        settings: Settings of the loss.
    """

    task: str
    loss: str
    weight: float
    settings: Mapping[str, Any] = field(default_factory=dict)


def parse_tasks(text: str) -> dict[str, float]:
    """Return weights by task, the first task first, from a text as `rating` or `rating,ranking:0.5`.

    Raises:
        ConfigError: A task or weight that there is not, one given twice, or tasks that do not go together.
    """
    found: dict[str, float] = {}
    for part in text.replace("+", ",").split(","):
        name, colon, number = (piece.strip() for piece in part.partition(":"))
        if name not in TASKS:
            raise one_of("task", name, TASKS)
        try:
            weight = float(number) if colon else 1.0
        except ValueError:
            weight = -1.0
        if name in found or not 0 < weight < np.inf:
            raise ConfigError(f"task '{text}': each task once, with a weight above 0", hint="--task rating,ranking:0.5")
        found[name] = weight
    first, *others = found
    for other in others:
        if other not in BESIDE[first]:
            fitting = " or ".join(BESIDE[first])
            raise ConfigError(f"task {other} cannot be trained beside {first} ({fitting} can)", hint=f"--task {first}")
    return found


def task_of(text: str | None, prepared: Prepared) -> str:
    """Return the task that a run is for: the first one asked for, else that of the data.

    Raises:
        ConfigError: The data has no values, or they are no labels.
    """
    if text is None:
        return prepared.task
    tasks = parse_tasks(text)
    for task in tasks:
        if task != "ranking" and task != prepared.task:
            _check_values(task, prepared)
    return next(iter(tasks))


def resolve_sides(
    text: str | None, preferred: Mapping[str, Any], preferred_loss: str, offered: frozenset[str]
) -> tuple[Side, ...]:
    """Return the tasks beside the first, each with its loss.

    Args:
        text: The tasks as given.
        preferred: What the encoder prefers.
        preferred_loss: The loss that it prefers for ranking.
        offered: What data and loop provide.
    """
    if text is None:
        return ()
    sides = []
    for task, weight in list(parse_tasks(text).items())[1:]:
        name = VALUE_LOSSES.get(task, preferred_loss)
        loss = registry.load("loss", name)
        missing = loss.needs_for(task) - offered - {"ratings", "labels"}
        if missing:
            raise ConfigError(f"task {task} needs {' and '.join(sorted(missing))} for loss '{name}'")
        values = {
            key.removeprefix("loss."): value
            for key, value in preferred.items()
            if key.startswith("loss.") and key.removeprefix("loss.") in loss.Settings.model_fields
        }
        sides.append(Side(task, name, weight, values if task == "ranking" else {}))
    return tuple(sides)


def _check_values(task: str, prepared: Prepared) -> None:
    values = prepared.interactions["value"]
    few = values.n_unique() < 2
    if few or (task == "ctr" and not ((values == 0) | (values == 1)).all()):
        what = "are all the same" if few else "are not 0 and 1 alone"
        raise ConfigError(
            f"task {task}: the values of the interactions {what}",
            hint=f"reccli prepare RATINGS --task {task} --value-column NAME",
        )
