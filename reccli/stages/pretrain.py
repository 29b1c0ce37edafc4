"""The pretrain stage: learn features and weights without labels, for fine-tuning to start from.

U users, I items, D features of a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    from reccli.training.task import Outcome

__all__ = ["pretrain"]

GENERAL: dict[str, Any] = {"epochs": 5, "batch_size": 256, "learning_rate": 1e-3}


@dataclass(frozen=True)
class _Job:
    """All that one pre-training reads."""

    workspace: Workspace
    prepared: Prepared
    settings: PretrainSettings
    objective: Objective
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

    device = resolve_device(settings.device)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    prepared = Prepared(workspace.current("prepare"))
    settings = _resolved(settings)
    objective = registry.create("objective", settings.objective, settings.component)
    _check_needs(settings.objective, type(objective), _data(prepared).provides())
    context = _context(workspace, settings, control, str(device))
    job = _Job(workspace, prepared, settings, objective, context, device, control)
    status, version, why = run_stage(
        workspace,
        "pretrain",
        settings.name or settings.objective.rpartition(":")[2],
        settings=settings.determinants(),
        parents=[prepared.version],
        components=registry.provenance([("objective", settings.objective)]),
        extra=objective.determinants(context),
        control=control,
        build=lambda draft, manifest: _build(job, draft, manifest),
    )
    facts = dict(version.manifest.facts) if version is not None else {}
    lines = _lines(workspace, settings, version, facts, status)
    return StageResult("pretrain", status, version, why, lines, facts, "reccli finetune")


def _resolved(settings: PretrainSettings) -> PretrainSettings:
    """Fill the gaps from the objective's preferences, and hand a model's folder to the objective that reads one."""
    objective = registry.load("objective", settings.objective)
    preferred = {} if objective.closed_form else {**GENERAL, **objective.defaults}
    update = {name: value for name, value in preferred.items() if getattr(settings, name) is None}
    component = dict(settings.component)
    if settings.encoder_path is not None:
        if "path" not in objective.Settings.model_fields:
            raise ConfigError(
                f"--encoder-path: objective '{settings.objective}' reads no text model", hint="--objective simcse"
            )
        component.setdefault("path", settings.encoder_path)
    return settings.model_copy(update=update | {"component": component})


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

    data = _data(job.prepared)
    if not len(data.train):
        raise DataError("there are no training interactions", hint="reccli prepare with other filters or ratios")
    objective = job.objective
    objective.setup(data, job.context)
    outcome = None
    if not type(objective).closed_form:
        outcome = _train(job, objective.to(job.device), manifest)
    job.control.check_stop()
    objective.eval()
    failpoint.hit("pretrain.trained")
    with torch.no_grad():
        found = objective.finish()
    _write(job, draft, found, outcome)
    manifest.facts = _facts(job, found, outcome)
    manifest.counts = {"users": data.n_users, "items": data.n_items, "interactions": len(data.train)}
    manifest.seed = job.settings.seed
    manifest.device = str(job.device)
    manifest.threads = torch.get_num_threads()


def _train(job: _Job, objective: Objective, manifest: Manifest) -> Outcome:
    from reccli.training.checkpoint import Checkpoints
    from reccli.training.loop import train
    from reccli.training.pretraining import PretrainTask
    from reccli.training.task import Plan

    settings = job.settings
    batch_size = int(settings.batch_size or 1)
    task = PretrainTask(objective, job.context, batch_size=batch_size, label=f"pretrain {settings.objective}")
    plan = Plan(
        epochs=int(settings.epochs or 0),
        batch_size=batch_size,
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
    if found.weights:
        draft.write_tensors("weights.safetensors", found.weights)
    with storage_errors(draft.path):
        job.objective.save_files(draft.path)
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


def _facts(job: _Job, found: Pretrained, outcome: Outcome | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "objective": job.settings.objective,
        "item_features": {name: int(array.shape[1]) for name, array in found.item_features.items()},
        "user_features": {name: int(array.shape[1]) for name, array in found.user_features.items()},
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
    if status == "done":
        size = sum(output.bytes for output in version.manifest.outputs.values())
        seconds = version.manifest.seconds
        lines.append(f"wrote {workspace.path}/pretrain/{version.name} ({size / 1e6:.1f} MB, {seconds:.1f} s)")
    return tuple(lines)
