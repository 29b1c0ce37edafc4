"""The finetune stage: train an encoder with a loss, choose the epoch on validation, store vectors and weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reccli import registry
from reccli.artifacts import Prepared
from reccli.manifest import Manifest
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control, StageResult, manifest_of, run_stage
from reccli.stages.finetune_run import Job, build_run
from reccli.stages.starting import UnreadError, find_start
from reccli.stages.teachers import teachers_of
from reccli.workspace import Draft, Version, Workspace

__all__ = ["determinants_of", "finetune", "job_of", "varied_job_of"]


def finetune(
    workspace: Workspace, settings: FinetuneSettings, control: Control, prepared: Prepared | None = None
) -> StageResult:
    """Train, and store vectors.

    With `refit` the model is trained on all interactions for as many epochs as an earlier run of the same settings
    chose; where there is none, that run is made first. With `recipe` several encoders are tried, see
    `reccli.stages.recipe`.

    Args:
        workspace: Where the data is.
        settings: With gaps.
        control: How to run.
        prepared: The data where it is open already, else the current one.

    Raises:
        ConfigError: Parts that do not fit each other or the data, or a teacher that must not be.
        MissingArtifactError: Nothing is prepared, or the pretrain run asked for is not there.
        DeviceError: The device is not there.
        DataError: There are no training interactions.
        DivergedError: Training met a number that is not finite, or vectors have collapsed.
        Interrupted: A signal asked to stop; the same command goes on from the checkpoint.
    """
    if settings.recipe is not None:
        from reccli.stages.recipe import finetune_by_recipe

        return finetune_by_recipe(workspace, settings, control)
    if settings.refit:
        return _refit(workspace, settings, control, prepared or Prepared(workspace.current("prepare")))
    return _run(job_of(workspace, settings, control, prepared))


def job_of(workspace: Workspace, settings: FinetuneSettings, control: Control, prepared: Prepared | None = None) -> Job:
    """Return all that one fine-tuning reads, checked; a refit's epochs are still those of the settings.

    Args:
        workspace: Where the data is.
        settings: With gaps.
        control: How to run.
        prepared: The data where it is open already, else the current one.

    Raises:
        ConfigError, MissingArtifactError, DeviceError: As `finetune`.
    """
    import torch

    from reccli.training.auxiliaries import check_views
    from reccli.training.component_data import component_data
    from reccli.training.device import resolve_device
    from reccli.training.parts import names_of
    from reccli.training.resolving import resolve
    from reccli.training.tasks import task_of

    for kind in ("encoder", "loss", "sampler", "aux"):
        component = getattr(settings, kind)
        for name in names_of(kind, component) if component is not None else ():
            registry.find(kind, name)  # an unknown name is said before any data is opened
    check_views(settings)
    device = resolve_device(settings.device)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    prepared = prepared or Prepared(workspace.current("prepare"))
    task = task_of(settings.task, prepared)
    parts = prepared.trained_parts(refit=settings.refit, as_of=settings.as_of)
    data = component_data(prepared, task, parts=parts)
    recipe = resolve(settings, task, data.provides(), n_items=data.n_items, device=str(device))
    start = find_start(workspace, prepared, recipe, control)
    teachers = teachers_of(workspace, prepared, recipe)
    data = component_data(prepared, recipe.task, parts=parts)
    return Job(workspace, prepared, data, start, recipe, device, control, recipe.settings.epochs or 0, teachers)


def varied_job_of(workspace: Workspace, settings: FinetuneSettings, control: Control, prepared: Prepared) -> Job:
    """Return the job of settings that a search has varied: where they read nothing of the pretrain run, without it.

    Raises:
        ConfigError, MissingArtifactError, DeviceError: As `finetune`.
    """
    try:
        return job_of(workspace, settings, control, prepared)
    except UnreadError:
        return job_of(workspace, settings.model_copy(update={"pretrained": "none"}), control, prepared)


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


def determinants_of(job: Job) -> dict[str, Any]:
    """Return what a run's content depends on, as `run_stage` takes it."""
    from reccli.api import Context

    settings, start = job.settings, job.start
    encoder = registry.create("encoder", settings.encoder, settings.encoder_settings)
    context = Context(
        seed=settings.seed,
        device=str(job.device),
        online=settings.online,
        pretrained=start.folder if start is not None else None,
    )
    extra: dict[str, Any] = dict(encoder.determinants(context))
    return {
        "settings": job.recipe.determinants(),
        "parents": [job.prepared.version, *([start.version] if start is not None else []), *job.teachers],
        "components": registry.provenance(job.recipe.components),
        "extra": extra | ({"epochs": job.epochs} if settings.refit else {}),
    }


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
