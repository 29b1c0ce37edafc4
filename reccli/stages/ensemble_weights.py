"""Weights of an ensemble chosen on validation, stored, and found again.

U users, V users validated on, B users of a block, I items, K list length, M members, W weightings that are tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reccli.errors import ConfigError, DataError, MissingArtifactError
from reccli.manifest import Manifest
from reccli.stages.common import Control, run_stage
from reccli.stages.ensemble import Ensemble, ensemble_of
from reccli.stages.ensemble_scores import validation_values
from reccli.stages.serving import Served
from reccli.workspace import Draft, Version, Workspace

if TYPE_CHECKING:
    import polars as pl

__all__ = ["AUTO", "Weights", "grid", "weights_of"]

AUTO = "auto"
MOST = 100  # weightings that are tried at first
FINEST = 20  # steps from one run alone to another
SUFFIXES = ("-refit-test", "-refit")


@dataclass(frozen=True)
class Weights:
    """Weights of an ensemble's runs.

    Args:
        values: One for each run; chosen ones add up to 1.
        told: What to say of the choice, or None where they were given.
        facts: The choice for machines: `metric`, `value`, `equal`, `alone`; empty where they were given.
    """

    values: tuple[float, ...]
    told: str | None
    facts: dict[str, Any]


def weights_of(
    workspace: Workspace, members: Sequence[Served], given: Sequence[Any], mix: str, control: Control
) -> Weights:
    """Return the weights of an ensemble: those given, or chosen on validation.

    Chosen ones are stored under the names of the runs, and taken from there where nothing has changed. Runs that were
    refitted know the validation part: they take what was chosen for the runs that they were refitted from.

    Args:
        workspace: Where choices are stored.
        members: The runs.
        given: Numbers, `("auto",)`, or none.
        mix: `score` or `rank`.
        control: How to run.

    Raises:
        ConfigError: One run has no weights to choose.
        DataError: There is no validation part.
        MissingArtifactError: Nothing was chosen for the runs that these were refitted from.
    """
    if tuple(given) != (AUTO,):
        return Weights(tuple(float(weight) for weight in given), None, {})
    if len(members) < 2:
        raise ConfigError("--weight auto weighs several runs", hint="name two: --run A --run B")
    refitted = any("valid" in member.trained_parts for member in members)
    version = _chosen_before(workspace, members, mix) if refitted else _choose(workspace, members, mix, control)
    if version is None:
        return Weights((), None, {})
    weight_M, facts = version.read("weights")["weight"].to_list(), dict(version.manifest.facts)
    return Weights(tuple(weight_M), _told(members, weight_M, facts), facts)


def grid(n: int) -> list[tuple[float, ...]]:
    """Return the weightings of n runs that are tried at first, those nearest to equal weights first.

    They add up to 1 in equal steps, down to 0, as fine as a hundred of them allow and no finer than .05.

    Raises:
        ConfigError: There are too many runs.
    """
    steps = max((m for m in range(1, FINEST + 1) if math.comb(m + n - 1, n - 1) <= MOST), default=0)
    if not steps:
        raise ConfigError(f"--weight auto weighs up to {MOST} runs, not {n}", hint="give the weights as numbers")
    points = [tuple(part / steps for part in parts) for parts in _compositions(steps, n)]
    return _equal_first(points)


def _compositions(total: int, n: int) -> Iterator[tuple[int, ...]]:
    """Yield all ways to write a number as a sum of n numbers from 0."""
    for bars in combinations(range(total + n - 1), n - 1):
        edges = (-1, *bars, total + n - 1)
        yield tuple(edges[place + 1] - edges[place] - 1 for place in range(n))


def _equal_first(points: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    return sorted(points, key=lambda point: (round(sum((part - 1 / len(point)) ** 2 for part in point), 12), point))


def _finer(best: tuple[float, ...]) -> list[tuple[float, ...]]:
    """Return weightings around one, by half a step of the grid from one run to another."""
    n = len(best)
    steps = max(m for m in range(1, FINEST + 1) if math.comb(m + n - 1, n - 1) <= MOST)
    half = 0.5 / steps
    found = []
    for source in range(n):
        for target in range(n):
            if source != target and best[source] >= half - 1e-9:
                moved = list(best)
                moved[source], moved[target] = max(moved[source] - half, 0.0), moved[target] + half
                found.append(tuple(moved))
    return _equal_first(found)


def _choose(workspace: Workspace, members: Sequence[Served], mix: str, control: Control) -> Version | None:
    """Choose on validation, of what is known before it, and store the choice, or find it stored; None on a dry run."""
    metric = str(members[0].version.manifest.settings["metric"])
    before = [member.knowing(tuple(p for p in member.parts if p not in ("valid", "test"))) for member in members]
    whole = ensemble_of(before, (1.0,) * len(before), mix)
    if not isinstance(whole, Ensemble):
        raise ConfigError("--weight auto weighs several runs", hint="name two: --run A --run B")
    if not len(whole.prepared.histories("valid")):
        raise DataError("there is no validation part to choose weights on", hint="give them: --weight 2 --weight 1")

    def build(draft: Draft, manifest: Manifest) -> None:
        with control.task(f"weights of {whole.title}", 1) as progress:
            measure, higher = validation_values(whole, metric)
            best, value = _best(measure, higher, len(before))
            progress.update(1)
        draft.write("weights", _frame(whole, best, measure))
        alone = measure(_alone(len(before)))
        equal = measure([(1 / len(before),) * len(before)])[0]
        manifest.facts = {
            "metric": metric,
            "mix": mix,
            "value": float(value),
            "equal": float(equal),
            "alone": {run.name: float(one) for run, one in zip(before, alone, strict=True)},
        }

    settings = {"metric": metric, "mix": mix, "runs": [member.name for member in members]}
    parents = [*(version for member in members for version in member.versions), whole.prepared.version]
    quiet = replace(control, force=False)
    _, version, _ = run_stage(
        workspace, "ensemble", _key(members, mix), settings=settings, parents=parents, control=quiet, build=build
    )
    return version


Measure = Callable[[Sequence[tuple[float, ...]]], npt.NDArray[np.float64]]


def _best(measure: Measure, higher: bool, n: int) -> tuple[tuple[float, ...], float]:
    """Return the weighting with the best value; of equal ones the nearest to equal weights."""
    sign = 1.0 if higher else -1.0
    points = grid(n)
    value_W = measure(points)
    place = int(np.argmax(sign * value_W))
    best, value = points[place], float(value_W[place])
    around = _finer(best) if n > 2 else []
    if around:
        value_W = measure(around)
        place = int(np.argmax(sign * value_W))
        if sign * value_W[place] > sign * value:
            best, value = around[place], float(value_W[place])
    return best, value


def _alone(n: int) -> list[tuple[float, ...]]:
    return [tuple(float(place == run) for place in range(n)) for run in range(n)]


def _frame(whole: Ensemble, best: tuple[float, ...], measure: Measure) -> pl.DataFrame:
    import polars as pl

    names = [member.name for member in whole.members]
    return pl.DataFrame(
        {
            "run": pl.Series(names, dtype=pl.String),
            "weight": pl.Series(best, dtype=pl.Float64),
            "alone": pl.Series(measure(_alone(len(names))), dtype=pl.Float64),
        }
    )


def _chosen_before(workspace: Workspace, members: Sequence[Served], mix: str) -> Version:
    """Return the choice for the runs that some were refitted from."""
    names = [_base_name(member) for member in members]
    hint = f"reccli evaluate {' '.join(f'--run {name}' for name in names)} --ensemble --weight auto --mix {mix}"
    try:
        version = workspace.current("ensemble", _key(members, mix))
    except MissingArtifactError:
        raise MissingArtifactError(
            f"run '{members[0].name}' knows the validation part, and no weights were chosen before it did", hint=hint
        ) from None
    told = version.manifest
    same = told.settings.get("runs") == names and told.settings.get("mix") == mix
    if not same or not all(_same_settings(workspace, told, member) for member in members):
        raise MissingArtifactError("the weights that were chosen are of other runs or settings", hint=hint)
    return version


def _same_settings(workspace: Workspace, told: Manifest, member: Served) -> bool:
    """Return whether a run is the one that was weighed, or was refitted from it."""
    name = _base_name(member)
    fingerprint = told.parents.get(f"finetune/{name}", "")
    if member.name == name:
        return member.version.fingerprint == fingerprint
    version = workspace.find("finetune", name, fingerprint) if fingerprint else None
    if version is None or version.manifest.parents.get("prepare/main") != member.prepared.version.fingerprint:
        return False
    own, other = (
        {key: value for key, value in one.manifest.settings.items() if key not in ("refit", "as_of")}
        for one in (version, member.version)
    )
    return own == other


def _key(members: Sequence[Served], mix: str) -> str:
    kind = "ensemble" if mix == "score" else f"ensemble-by-{mix}"
    return f"{kind}-{'-'.join(_base_name(member) for member in members)}"[:90]


def _base_name(member: Served) -> str:
    """Return the name of the run that a run was refitted from, its own where it is no refit, whatever it is called."""
    suffix = next((suffix for suffix in SUFFIXES if member.name.endswith(suffix)), "")
    return member.name.removesuffix(suffix) if member.facts.get("refit") else member.name


def _told(members: Sequence[Served], weight_M: Sequence[float], facts: dict[str, Any]) -> str:
    shown = ", ".join(
        f"{member.name} {weight:g}" for member, weight in zip(members, np.round(weight_M, 4), strict=True)
    )
    alone = ", ".join(f"{facts['alone'][_base_name(member)]:.4f}" for member in members)
    return (
        f"weights chosen on validation: {shown}  {facts['metric']} {facts['value']:.4f} "
        f"(alone {alone}; equal weights {facts['equal']:.4f})"
    )
