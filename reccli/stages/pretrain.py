"""The pretrain stage: learn features and weights without labels, for fine-tuning to start from.

U users, I items, D features of a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from reccli import failpoint, registry
from reccli.artifacts import Prepared
from reccli.errors import ConfigError, DataError, DivergedError, PluginError
from reccli.manifest import Manifest
from reccli.settings import PretrainSettings
from reccli.stages.common import Control, StageResult, run_stage
from reccli.workspace import Draft, Version, Workspace, storage_errors

if TYPE_CHECKING:
    import polars as pl
    import torch

    from reccli.api import Context, Objective, Pretrained, TrainingData
    from reccli.training.combination import CombinedTask, Member
    from reccli.training.pretraining import PretrainTask
    from reccli.training.task import Outcome

__all__ = ["pretrain"]


@dataclass(frozen=True)
class _Job:
    """All that one pre-training reads."""

    workspace: Workspace
    prepared: Prepared
    settings: PretrainSettings
    members: list[Member]
    context: Context
    device: torch.device
    control: Control


def pretrain(workspace: Workspace, settings: PretrainSettings, control: Control) -> StageResult:
    """Fit or train an objective on the train part, and store what it learned.

    Raises:
        ConfigError: An unknown objective or setting, or one that the data does not fit.
        MissingArtifactError: Nothing is prepared.
        DeviceError: The device is not there.
        DataError: There are no training interactions.
        DivergedError: Training met a number that is not finite.
        Interrupted: A signal asked to stop; the same command goes on from the checkpoint.
    """
    import torch

    from reccli.training.device import resolve_device
    from reccli.training.members import member_settings, resolve_members, run_name

    device = resolve_device(settings.device)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    prepared = Prepared(workspace.current("prepare"))
    settings, members = resolve_members(settings)
    provides = _data(prepared).provides()
    for member in members:
        _check_needs(member.component, type(member.objective), provides)
    context = _context(workspace, settings, control, str(device))
    if len(members) > 1:
        context = replace(context, shared={})
    job = _Job(workspace, prepared, settings, members, context, device, control)
    status, version, why = run_stage(
        workspace,
        "pretrain",
        settings.name or run_name(settings.objective),
        settings=settings.determinants() | {"component": member_settings(members)},
        parents=[prepared.version],
        components=registry.provenance([("objective", member.component) for member in members]),
        extra=_determinants(members, context),
        control=control,
        build=lambda draft, manifest: _build(job, draft, manifest),
    )
    facts = dict(version.manifest.facts) if version is not None else {}
    lines = _lines(workspace, settings, version, facts, status)
    return StageResult("pretrain", status, version, why, lines, facts, "reccli finetune")


def _determinants(members: list[Member], context: Context) -> dict[str, str]:
    if len(members) == 1:
        return members[0].objective.determinants(context)
    return {
        f"{member.name}.{name}": value
        for member in members
        for name, value in member.objective.determinants(context).items()
    }


def _check_needs(name: str, objective: type[Objective], provides: frozenset[str]) -> None:
    missing = objective.needs - provides
    if missing:
        fitting = [
            other for other in registry.names("objective") if not registry.load("objective", other).needs - provides
        ]
        raise ConfigError(
            f"objective '{name}' needs {' and '.join(sorted(missing))}, which the data has not; "
            f"objectives that fit: {', '.join(fitting) or 'none'}",
            hint=f"--objective {fitting[0]}" if fitting else None,
        )


def _data(prepared: Prepared) -> TrainingData:
    from reccli.training.component_data import component_data

    return component_data(prepared, prepared.task)


def _context(workspace: Workspace, settings: PretrainSettings, control: Control, device: str) -> Context:
    import torch

    from reccli.api import Context

    return Context(
        seed=settings.seed,
        device=device,
        threads=torch.get_num_threads(),
        online=settings.online,
        cache=workspace.cache,
        say=control.say,
        warn=control.warn,
    )


def _build(job: _Job, draft: Draft, manifest: Manifest) -> None:
    import torch

    from reccli.training.combination import merged

    data = _data(job.prepared)
    if not len(data.train):
        raise DataError("there are no training interactions", hint="reccli prepare with other filters or ratios")
    for member in job.members:
        member.objective.setup(data, job.context)
    trained = [member for member in job.members if not type(member.objective).closed_form]
    outcome = _train(job, trained, manifest) if trained else None
    job.control.check_stop()
    failpoint.hit("pretrain.trained")
    with torch.no_grad():
        found = merged({member.name: member.objective.eval().finish() for member in job.members})
    _write(job, draft, found, outcome)
    manifest.facts = _facts(job, found, outcome)
    manifest.counts = {"users": data.n_users, "items": data.n_items, "interactions": len(data.train)}
    manifest.seed = job.settings.seed
    manifest.device = str(job.device)
    manifest.threads = torch.get_num_threads()


def _task(job: _Job, trained: list[Member]) -> PretrainTask | CombinedTask:
    from reccli.training.combination import CombinedTask
    from reccli.training.pretraining import PretrainTask

    label = f"pretrain {job.settings.objective}"
    for member in trained:
        member.objective.to(job.device)
    if len(trained) > 1:
        return CombinedTask(trained, job.context, label=label)
    return PretrainTask(trained[0].objective, job.context, batch_size=trained[0].batch_size, label=label)


def _train(job: _Job, trained: list[Member], manifest: Manifest) -> Outcome:
    from reccli.training.checkpoint import Checkpoints
    from reccli.training.loop import train
    from reccli.training.task import Plan

    settings, task = job.settings, _task(job, trained)
    plan = Plan(
        epochs=int(settings.epochs or 0),
        batch_size=task.batch_size,
        learning_rate=float(settings.learning_rate or 0),
        optimizer=settings.optimizer,
        schedule=settings.schedule,
        warmup=settings.warmup,
        weight_decay=settings.weight_decay,
        clip=settings.clip,
        precision=settings.precision,
        device=job.device,
        seed=job.context.derived_seed("torch"),
    )
    checkpoints = Checkpoints(job.workspace.path / "logs" / "checkpoints" / f"pretrain-{manifest.fingerprint}")
    if job.control.restart:
        checkpoints.drop()
    outcome = train(task, plan, job.control, checkpoints)
    checkpoints.drop()
    return outcome


def _write(job: _Job, draft: Draft, found: Pretrained, outcome: Outcome | None) -> None:
    import polars as pl

    prepared = job.prepared
    for code, features, rows in (
        ("item", found.item_features, prepared.items.height),
        ("user", found.user_features, prepared.users.height),
    ):
        if features:
            draft.write(f"{code}_features", _frame(job.settings.objective, code, features, rows))
    for artifact, columns in found.tables.items():
        draft.write(artifact, _table(job.settings.objective, artifact, columns))
    if found.weights:
        draft.write_tensors("weights.safetensors", found.weights)
    with storage_errors(draft.path):
        for member in job.members:
            member.objective.save_files(draft.path)
    schema = {"epoch": pl.UInt32, "metric": pl.String, "value": pl.Float64}
    rows_ = outcome.rows if outcome is not None else [(0, name, float(value)) for name, value in found.metrics.items()]
    draft.write("training_log", pl.DataFrame(rows_, schema=schema, orient="row"))


def _frame(name: str, code: str, features: Mapping[str, Any], rows: int) -> pl.DataFrame:
    """Return the features as one column each, all rows in the order of codes."""
    import polars as pl

    columns: dict[str, Any] = {code: np.arange(rows, dtype=np.uint32)}
    for feature, array in features.items():
        if array.shape[:1] != (rows,) or array.ndim != 2:
            raise PluginError(
                f"objective '{name}': {code} feature '{feature}' has shape {array.shape}, expected {rows} rows"
            )
        if not np.isfinite(array).all():
            raise DivergedError(f"objective '{name}': {code} feature '{feature}' is not finite")
        columns[feature] = pl.Series(
            np.ascontiguousarray(array, np.float32), dtype=pl.Array(pl.Float32, array.shape[1])
        )
    return pl.DataFrame(columns)


def _table(name: str, artifact: str, columns: Mapping[str, Any]) -> pl.DataFrame:
    """Return an artifact's columns as a frame of the schema's types."""
    import polars as pl

    from reccli.schemas import SCHEMAS

    if artifact not in SCHEMAS:
        raise PluginError(f"objective '{name}': there is no artifact called '{artifact}'")
    types = {column: pl.UInt32 for column, kind in SCHEMAS[artifact].columns.items() if kind == "u32"}
    return pl.DataFrame(dict(columns), schema_overrides=types)


def _facts(job: _Job, found: Pretrained, outcome: Outcome | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "objective": job.settings.objective,
        "item_features": {name: int(array.shape[1]) for name, array in found.item_features.items()},
        "user_features": {name: int(array.shape[1]) for name, array in found.user_features.items()},
        "tables": sorted(found.tables),
        "metrics": {name: float(value) for name, value in found.metrics.items() if np.isfinite(value)},
    }
    if outcome is not None:
        facts |= {
            "best_epoch": outcome.best_epoch,
            "best_value": outcome.best_value,
            "first_value": outcome.first_value,
            "epochs": outcome.epochs,
            "steps": outcome.steps,
            "stopped": outcome.stopped,
            "train_seconds": round(outcome.seconds, 3),
            "held_out": {
                name: [
                    value for epoch, other, value in outcome.rows if other == name and epoch in (0, outcome.best_epoch)
                ]
                for name in dict.fromkeys(name for epoch, name, _ in outcome.rows if epoch == 0)
            },
        }
    return facts


def _lines(
    workspace: Workspace, settings: PretrainSettings, version: Version | None, facts: Mapping[str, Any], status: str
) -> tuple[str, ...]:
    if version is None:
        return ()
    features = [f"{name} {width}-d" for name, width in {**facts["item_features"], **facts["user_features"]}.items()]
    metrics = [f"{name} {value:.4g}" for name, value in facts["metrics"].items()]
    lines = [f"{settings.objective}: " + "  ".join([", ".join(features), *metrics])]
    if facts.get("best_value") is not None:
        first = "" if facts["first_value"] is None else f" (start {facts['first_value']:.4f})"
        lines.append(
            f"best epoch {facts['best_epoch']} of {facts['epochs']}  held-out loss {facts['best_value']:.4f}{first}"
        )
        if len(facts.get("held_out", {})) > 1:
            parts = [f"{name} {values[-1]:.4f} ({values[0]:.4f})" for name, values in facts["held_out"].items()]
            lines.append("  ".join(["at the best epoch (at the start):", *parts]))
    if status == "done":
        size = sum(output.bytes for output in version.manifest.outputs.values())
        seconds = version.manifest.seconds
        lines.append(f"wrote {workspace.path}/pretrain/{version.name} ({size / 1e6:.1f} MB, {seconds:.1f} s)")
    return tuple(lines)
