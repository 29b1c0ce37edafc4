"""One encoder trained: a run as it is set, or refitted with the epochs that such a run chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reccli import registry
from reccli.artifacts import Prepared
from reccli.manifest import Manifest
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control, StageResult, manifest_of, run_stage
from reccli.stages.finetune_job import Job, determinants_of, job_of
from reccli.stages.finetune_run import build_run
from reccli.workspace import Draft, Version, Workspace

__all__ = ["finetune_one"]


def finetune_one(
    workspace: Workspace, settings: FinetuneSettings, control: Control, prepared: Prepared | None = None
) -> StageResult:
    """Train one encoder, and store vectors.

    Args:
        workspace: Where the data is.
        settings: With gaps, and without a recipe.
        control: How to run.
        prepared: The data where it is open already, else the current one.

    Raises:
        ConfigError, DataError, DeviceError, DivergedError, Interrupted, MissingArtifactError: As `finetune`.
    """
    if settings.refit:
        return _refit(workspace, settings, control, prepared or Prepared(workspace.current("prepare")))
    return _run(job_of(workspace, settings, control, prepared))


def _refit(workspace: Workspace, settings: FinetuneSettings, control: Control, prepared: Prepared) -> StageResult:
    """Train on all interactions, with the epochs that a run without `refit` chose."""
    epochs, calibration = 0, None
    if registry.load("encoder", settings.encoder).trainable:
        chosen = _choosing_run(workspace, settings, control, prepared)
        if chosen is None:
            return StageResult("finetune", "planned", None, ("first a run that chooses the epochs, then the refit",))
        epochs, calibration = int(chosen.manifest.facts["best_epoch"]), chosen.manifest.facts.get("calibration")
    job = job_of(workspace, settings, control, prepared)
    return _run(replace(job, epochs=epochs, calibration=calibration))


def _choosing_run(
    workspace: Workspace, settings: FinetuneSettings, control: Control, prepared: Prepared
) -> Version | None:
    """Return the run without `refit`, which chose the epochs; it is made first where it is not there."""
    plain = settings.model_copy(update={"refit": False, "as_of": "now"})
    job = job_of(workspace, plain, control, prepared)
    name = job.recipe.run_name
    version = workspace.find("finetune", name, manifest_of("finetune", **determinants_of(job)).fingerprint)
    if version is None:
        control.say(f"no run '{name}' of these settings yet: it comes first, to choose the epochs")
        version = _run(job).version
    if version is None:
        return None
    parts = ", ".join(prepared.trained_parts(refit=True, as_of=settings.as_of))
    control.say(f"refit on {parts} with {version.manifest.facts['best_epoch']} epochs, as run '{name}' chose")
    return version


def _run(job: Job) -> StageResult:
    recipe, control, facts = job.recipe, job.control, dict[str, Any]()
    announced = _announce(job)

    def build(draft: Draft, manifest: Manifest) -> None:
        for line in announced:
            control.say(line)
        build_run(job, draft, manifest)
        facts.update(manifest.facts)

    status, version, why = run_stage(
        job.workspace,
        "finetune",
        recipe.run_name,
        **determinants_of(job),
        control=control,
        build=build,
    )
    if version is not None:
        facts = dict(version.manifest.facts)
    return StageResult("finetune", status, version, why, _lines(job, version, facts, status), facts, "reccli evaluate")


def _announce(job: Job) -> list[str]:
    """Return lines that say what was chosen by nobody, and what is started from."""
    settings, recipe = job.settings, job.recipe
    lines = []
    if recipe.trainable:
        with_ = f" and negatives from {settings.sampler}" if settings.sampler else ""
        added = [f"the task {side.task} by {side.loss} {side.weight:g}" for side in recipe.sides]
        added += [f"{name} {settings.aux_settings[f'{name}.weight']:g}" for name in recipe.auxiliaries]
        beside = ", ".join(added)
        lines.append(
            f"{settings.encoder}: loss {settings.loss}{with_}, similarity {settings.similarity}, task {recipe.task}"
            + (f", beside it {beside}" if beside else "")
        )
        shown = {key: value for key, value in recipe.chosen.items() if key not in ("loss", "sampler", "similarity")}
        if shown:
            lines.append("defaults of the encoder: " + ", ".join(f"{key} {value}" for key, value in shown.items()))
    if job.start is not None:
        lines.append(job.start.line)
    if job.teachers:
        lines.append(f"taught by {' + '.join(version.name for version in job.teachers)}")
    return lines


def _lines(job: Job, version: Version | None, facts: Mapping[str, Any], status: str) -> tuple[str, ...]:
    if version is None:
        return ()
    lines = []
    value = "" if facts.get("best_value") is None else f"  valid {facts['metric']} {facts['best_value']:.4f}"
    if facts.get("train_value") is not None:
        value += f" (train {facts['train_value']:.4f})"
    if facts["trainable"]:
        first = "" if facts.get("first_value") is None else f" (start {facts['first_value']:.4f})"
        lines.append(
            f"best epoch {facts['best_epoch']} of {facts['epochs']}{value}{first}  stopped by {facts['stopped']}"
        )
    else:
        lines.append(f"{job.settings.encoder}: closed form{value}")
    if facts["cold_items"] and not facts["serves_new_items"]:
        lines.append(f"{facts['cold_items']:,} items without training interactions cannot be recommended by this run")
    if status == "done":
        lines.append(f"wrote {job.workspace.path}/finetune/{version.name} ({version.manifest.seconds:.1f} s)")
    return tuple(lines)
