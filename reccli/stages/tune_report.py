"""What a search says in the end: its trials as a table, the best settings, and the command that repeats them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reccli.api.search import Choices
from reccli.config import COMPONENT_FIELDS, set_text
from reccli.settings import FinetuneSettings
from reccli.training.search_space import Parameter

if TYPE_CHECKING:
    import polars as pl

    from reccli.stages.tune_attempt import Attempt

__all__ = [
    "attempt_line",
    "counted",
    "counts_of",
    "counts_text",
    "repeat_command",
    "space_lines",
    "trials_frame",
    "values_text",
]

FLAGS = (
    *("encoder", "loss", "sampler", "task", "similarity", "pretrained", "epochs", "batch_size", "learning_rate"),
    *("metric", "device", "threads", "seed"),
)
LOST = "lost"
ORDER = ("complete", "pruned", "failed", "running", LOST)


def space_lines(parameters: Sequence[Parameter]) -> list[str]:
    """Return what is searched, one setting a line."""
    width = max(len(parameter.name) for parameter in parameters)
    return [f"  {parameter.name:<{width}}  {parameter.space}" for parameter in parameters]


def values_text(values: Mapping[str, Any]) -> str:
    """Return settings for people."""
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )


def attempt_line(attempt: Attempt, metric: str, *, best: bool) -> str:
    """Return how one trial ended."""
    facts = attempt.facts
    if attempt.state == "complete":
        told = f"{metric} {attempt.value:.4f}{', the best so far' if best else ''}"
    elif attempt.state == "pruned":
        told = f"pruned after {facts.get('epochs', 0)} epochs at {metric} {attempt.value or 0:.4f}"
    else:
        told = f"{attempt.state}: {facts.get('message', '')}"
    return f"trial {attempt.number}: {told}  {facts.get('seconds', 0.0):.1f} s  {values_text(attempt.values)}"


def counts_of(attempts: Sequence[Attempt]) -> dict[str, int]:
    """Return how many trials ended in which way."""
    found = Counter(attempt.state for attempt in attempts)
    return {state: found[state] for state in ORDER if found[state]}


def counts_text(counts: Mapping[str, int]) -> str:
    """Return the same for people."""
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if state != LOST)
    return f"{counted(counts)} trials ({told})"


def counted(counts: Mapping[str, int]) -> int:
    """Return how many trials there are; those that were lost were made again, and do not count."""
    return sum(count for state, count in counts.items() if state != LOST)


def trials_frame(attempts: Sequence[Attempt], parameters: Sequence[Parameter]) -> pl.DataFrame:
    """Return the artifact `trials`: one row a trial, the searched settings as columns (`epochs` as `param.epochs`)."""
    import polars as pl

    def facts(name: str) -> list[Any]:
        return [attempt.facts.get(name) for attempt in attempts]

    columns: dict[str, pl.Series] = {
        "number": pl.Series([attempt.number for attempt in attempts], dtype=pl.UInt32),
        "state": pl.Series([attempt.state for attempt in attempts], dtype=pl.String),
        "value": pl.Series([attempt.value for attempt in attempts], dtype=pl.Float64),
        "epoch": pl.Series(facts("epoch"), dtype=pl.UInt32),
        "epochs": pl.Series(facts("epochs"), dtype=pl.UInt32),
        "seconds": pl.Series(facts("seconds"), dtype=pl.Float64),
        "started": pl.Series([_microseconds(attempt.started) for attempt in attempts], dtype=pl.Int64),
        "message": pl.Series(facts("message"), dtype=pl.String),
    }
    for parameter in parameters:
        values = [attempt.values.get(parameter.name) for attempt in attempts]
        taken = parameter.name in columns  # by a fact of the trials, as `epochs` is
        columns[f"param.{parameter.name}" if taken else parameter.name] = _column(values, parameter)
    return pl.DataFrame(columns)


def repeat_command(base: FinetuneSettings, best: FinetuneSettings, values: Mapping[str, Any], workspace: Path) -> str:
    """Return the command line that trains the best trial again, and finds it up to date.

    Args:
        base: Settings of all trials.
        best: Those of the best one.
        values: What was searched, in the best one.
        workspace: Where it was.
    """
    words = ["reccli", "finetune"]
    if workspace != Path("workspace"):
        words += ["-w", str(workspace)]
    inner = {field: head for head, field in COMPONENT_FIELDS["finetune"].items()}
    fields = base.model_fields_set | {name for name in values if "." not in name}
    for name in [*(name for name in FLAGS if name in fields), *sorted(fields - {*FLAGS, *inner, "name"})]:
        value = getattr(best, name)
        if value is not None:
            text = _text(value)
            words += [f"--{name.replace('_', '-')}", text] if name in FLAGS else ["--set", f"{name}={text}"]
    for field, head in inner.items():
        words += [
            word for key, one in _flat(getattr(best, field)) for word in ("--set", f"{head}.{key}={set_text(one)}")
        ]
    return shlex.join([*words, "--name", str(best.name)])


def _flat(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found += [(f"{key}.{inner}", one) for inner, one in _flat(value)]
        else:
            found.append((key, value))
    return found


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _column(values: Sequence[Any], parameter: Parameter) -> pl.Series:
    import polars as pl

    space = parameter.space
    kinds = (
        {type(value) for value in space.values} if isinstance(space, Choices) else {int if parameter.whole else float}
    )
    dtypes: dict[type, Any] = {int: pl.Int64, float: pl.Float64, bool: pl.Boolean}
    if len(kinds) == 1 and kinds <= dtypes.keys():
        return pl.Series(values, dtype=dtypes[kinds.pop()])
    return pl.Series([None if value is None else str(value) for value in values], dtype=pl.String)


def _microseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e6)
