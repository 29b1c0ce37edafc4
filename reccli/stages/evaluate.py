"""The evaluate stage: full ranking of one run or several, with intervals, slices, comparison and gates."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from reccli import registry
from reccli.api import Context
from reccli.errors import ConfigError, GateError, MissingArtifactError
from reccli.manifest import Manifest
from reccli.settings import EvaluateSettings
from reccli.stages.common import Control, StageResult, run_stage
from reccli.stages.ensemble import ensemble_of
from reccli.stages.ensemble_weights import Weights, weights_of
from reccli.stages.measuring import AUC, Chosen, Measured, chosen_metrics, measure
from reccli.stages.opening import open_run
from reccli.stages.serving import Served
from reccli.stages.transfer import transfer_facts, transfer_line
from reccli.training.health_log import health_text
from reccli.workspace import Draft, Version, Workspace

if TYPE_CHECKING:
    import polars as pl

__all__ = ["evaluate"]

KNOWN_PARTS = {"test": ("train", "valid"), "valid": ("train",)}
GATE = re.compile(r"([a-z][a-z0-9-]*)(?:@(\d+))?(?:/([a-z-]+))?\s*(>=|<=|>|<)\s*(\S+)")
COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
HEADLINE = (
    "ndcg",
    "recall",
    "hit",
    "mrr",
    "rmse",
    "mae",
    "rating-accuracy",
    "log-loss",
    "auc",
    "click-ratio",
    "calibration-error",
    "item-coverage",
)


def evaluate(workspace: Workspace, settings: EvaluateSettings, control: Control) -> StageResult:
    """Measure runs on the held-out part. For test, train and validation are known and never listed.

    A run that has seen the part it would be judged by is refused.

    Raises:
        MissingArtifactError: No finetune run.
        ConfigError: A run has seen the part, runs to compare have other data, or a metric does not fit.
        DataError: Nothing is held out.
        GateError: A gate was missed.
    """
    from reccli.training.device import resolve_device

    gates = [_parse_gate(text) for text in settings.gates]
    device = str(resolve_device(settings.device))
    served, weights = _open(workspace, settings, control, device)
    task = str(served[0].facts.get("task", "ranking"))
    metrics = chosen_metrics(settings.metrics, task)
    if settings.ensemble and settings.mix == "rank":
        metrics = _without_auc(metrics, settings)
    names = [run.name for run in served]

    def build(draft: Draft, manifest: Manifest) -> None:
        measured: dict[str, Measured] = {}
        with control.task("evaluate", len(served)) as progress:
            for number, run in enumerate(served):
                control.check_stop()
                generator = Context(seed=settings.seed).numpy_generator("evaluate.bootstrap")
                measured[run.name] = measure(run, settings, metrics, generator)
                progress.update(number + 1)
        _write(draft, measured, served[0], settings)
        manifest.seed = settings.seed
        manifest.device = device
        manifest.facts = {
            "runs": names,
            "split": settings.split,
            "candidates": settings.candidates,
            "task": task,
            "popularity_users": {name: result.popularity_users for name, result in measured.items()},
            "health": {run.name: run.facts["health"] for run in served if run.facts.get("health")},
        }
        if settings.compare and not settings.ensemble:
            manifest.facts["transfer"] = transfer_facts([(run.name, run.version.manifest) for run in served])

    status, version, why = run_stage(
        workspace,
        "evaluate",
        names[0] if len(names) == 1 else "compare-" + "-".join(names)[:80],
        settings=settings.determinants() | {"runs": names, "gates": [], "weights": list(weights.values)},
        parents=[*(version for run in served for version in run.versions), served[0].prepared.version],
        components=registry.provenance(("metric", name) for name in settings.metrics or registry.names("metric")),
        control=control,
        build=build,
    )
    if version is None:
        return StageResult("evaluate", status, None, why)
    table = version.read("metrics")
    _check_gates(gates, table, names[0])
    lines = _lines(workspace, version, table, names, settings, status)
    data = _data(version, table)
    if weights.told is not None:
        lines = (weights.told, *lines)
        data["weights"] = {"values": list(weights.values), **weights.facts}
    return StageResult("evaluate", status, version, why, lines, data, "reccli recommend")


def _without_auc(metrics: Chosen, settings: EvaluateSettings) -> Chosen:
    """Leave the AUC out: it is of all items, and lists that are mixed by rank end."""
    if AUC in settings.metrics:
        raise ConfigError("auc is of scores, which --mix rank has none of", hint="--mix score")
    return replace(metrics, with_auc=False)


def _open(
    workspace: Workspace, settings: EvaluateSettings, control: Control, device: str
) -> tuple[list[Served], Weights]:
    if (settings.compare or settings.ensemble) and len(settings.runs) < 2:
        what = "--compare" if settings.compare else "--ensemble"
        raise ConfigError(f"{what} needs two runs", hint="reccli status lists them")
    if not settings.ensemble and (settings.weights or settings.mix != "score"):
        what = "weight" if settings.weights else "mix"
        raise ConfigError(f"--{what} is of runs taken as one", hint=f"--ensemble, or leave out --{what}")
    names: Sequence[str | None] = settings.runs or (None,)
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise ConfigError(f"run '{repeated}' is given twice", hint="reccli status lists the runs")
    served = [open_run(workspace, name, KNOWN_PARTS[settings.split], control, device=device) for name in names]
    first = served[0]
    for run in served:
        if settings.split in run.trained_parts:
            raise ConfigError(
                f"run '{run.name}' was trained on the {settings.split} part too: it cannot be judged by it",
                hint="evaluate the run it was refitted from, or one of finetune --refit --as-of test",
            )
        if run.prepared.version.fingerprint != first.prepared.version.fingerprint:
            raise MissingArtifactError(
                f"runs '{first.name}' and '{run.name}' were trained on different prepared data",
                hint=f"reccli finetune --name {first.name}, with its settings, brings it up to date",
            )
        if run.facts.get("task") != first.facts.get("task"):
            raise ConfigError(f"runs '{first.name}' and '{run.name}' have different tasks")
    if not settings.ensemble:
        return served, Weights((), None, {})
    weights = weights_of(workspace, served, settings.weights, settings.mix, control)
    if weights.told is not None and settings.split == "valid":
        control.warn("the weights were chosen on the part that they are measured on; test tells what they are worth")
    whole = ensemble_of(served, weights.values, settings.mix)
    return [whole, *served] if settings.compare else [whole], weights


def _write(draft: Draft, measured: dict[str, Measured], served: Served, settings: EvaluateSettings) -> None:
    import polars as pl

    from reccli.evaluation.summary import compare
    from reccli.schemas import SCHEMAS

    columns = list(SCHEMAS["metrics"].columns)
    tables = [result.table.with_columns(run=pl.lit(name)).select(columns) for name, result in measured.items()]
    draft.write("metrics", pl.concat(tables))
    ids = served.prepared.users["user_id"]
    frames = [
        result.scores.frame().with_columns(run=pl.lit(name), user_id=ids.gather(result.scores.frame()["user"]))
        for name, result in measured.items()
        if result.scores is not None
    ]
    if frames:
        draft.write("per_user", pl.concat(frames).select(list(SCHEMAS["per_user"].columns)))
    (base, first), *others = measured.items()
    if not settings.compare or first.scores is None:
        return
    differences = []
    for name, other in others:
        if other.scores is None:
            continue
        generator = Context(seed=settings.seed).numpy_generator("evaluate.compare")
        found = compare(
            first.scores,
            other.scores,
            generator=generator,
            n_resamples=max(settings.resamples, 1),
            level=settings.confidence,
        )
        differences.append(found.with_columns(run=pl.lit(base), against=pl.lit(name)))
    draft.write("differences", pl.concat(differences).select(list(SCHEMAS["differences"].columns)))


def _parse_gate(text: str) -> tuple[str, str, int | None, str, str, float]:
    found = GATE.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError(text)
        metric, k, part, sign, limit = found.groups()
        return text, metric, int(k) if k else None, part or "all", sign, float(limit)
    except ValueError:
        raise ConfigError(f"--gate '{text}' is not a condition", hint="as in 'ndcg@10>=0.12'") from None


def _check_gates(gates: list[tuple[str, str, int | None, str, str, float]], table: pl.DataFrame, run: str) -> None:
    for text, metric, k, part, sign, limit in gates:
        rows = [
            row["value"]
            for row in table.iter_rows(named=True)
            if (row["run"], row["metric"], row["k"], row["slice"]) == (run, metric, k, part)
        ]
        if not rows:
            raise ConfigError(
                f"--gate '{text}': {metric} was not measured", hint="reccli evaluate --metric adds metrics"
            )
        if not COMPARE[sign](rows[0], limit):
            raise GateError(f"gate missed: {text}, measured {rows[0]:.4f}")


def _lines(
    workspace: Workspace,
    version: Version,
    table: pl.DataFrame,
    names: list[str],
    settings: EvaluateSettings,
    status: str,
) -> tuple[str, ...]:
    rows = {(row["run"], row["metric"], row["k"]): row for row in table.iter_rows(named=True) if row["slice"] == "all"}
    keys = [key[1:] for key in rows if key[0] == names[0]]
    if not settings.metrics:
        keys = [key for key in keys if key[0] in HEADLINE]
        keys.sort(key=lambda key: (HEADLINE.index(key[0]), key[1] or 0))
    width = max(22, *(len(name) for name in names))
    lines = [f"{settings.split + ' part':<18}" + "  ".join(f"{name:<{width}}" for name in names)]
    differences = {}
    if version.has("differences.parquet") and len(names) == 2:
        lines[0] += f"  difference ({settings.confidence:.0%})"
        differences = {(row["metric"], row["k"]): row for row in version.read("differences").iter_rows(named=True)}
    for metric, k in keys:
        cells = [_cell(rows.get((name, metric, k))) for name in names]
        line = f"{_label(metric, k):<18}" + "  ".join(f"{cell:<{width}}" for cell in cells)
        found = differences.get((metric, k))
        if found:
            verdict = "real" if found["low"] > 0 or found["high"] < 0 else "within chance"
            ends = f"[{_signed(found['low'])} {_signed(found['high'])}]"
            line += f"  {_signed(found['difference'])} {ends}  {verdict}"
        lines.append(line.rstrip())
    transfer = version.manifest.facts.get("transfer")
    helped = transfer_line(transfer, [*differences.values()]) if transfer else None
    lines += [helped] if helped else []
    users = next((row["n"] for row in rows.values()), 0)
    lines.append(f"{users:,} users  candidates: {settings.candidates}")
    for name, count in version.manifest.facts.get("popularity_users", {}).items():
        if count:
            lines.append(f"{name}: {count:,} users without a usable history got the popularity list")
    for name, found in version.manifest.facts.get("health", {}).items():
        lines.append(f"{name}: vectors of {health_text(found)}")
    if status == "done":
        lines.append(f"wrote {workspace.path}/evaluate/{version.name} ({version.manifest.seconds:.1f} s)")
    return tuple(lines)


def _label(metric: str, k: int | None) -> str:
    return metric if k is None else f"{metric}@{k}"


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    if row["low"] is None or np.isnan(row["low"]):
        return _number(row["value"])
    return f"{_number(row['value'])} [{_number(row['low'])} {_number(row['high'])}]"


def _number(value: float) -> str:
    return f"{value:.4f}".removeprefix("0") if abs(value) < 1 else f"{value:.3f}"


def _signed(value: float) -> str:
    return ("+" if value >= 0 else "-") + _number(abs(value))


def _data(version: Version, table: pl.DataFrame) -> dict[str, Any]:
    overall = [row for row in table.iter_rows(named=True) if row["slice"] == "all"]
    data: dict[str, Any] = {"metrics": overall, "health": version.manifest.facts.get("health", {})}
    if version.has("differences.parquet"):
        data["differences"] = version.read("differences").to_dicts()
    return data
