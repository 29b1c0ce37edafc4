"""All that one fine-tuning reads, found and checked before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reccli import registry
from reccli.artifacts import Prepared
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control
from reccli.stages.starting import Start, UnreadError, find_start
from reccli.stages.teachers import teachers_of
from reccli.workspace import Version, Workspace

if TYPE_CHECKING:
    import torch

    from reccli.api import TrainingData
    from reccli.training.resolving import Recipe

__all__ = ["Job", "determinants_of", "job_of", "varied_job_of"]


@dataclass(frozen=True)
class Job:
    """All that one fine-tuning reads; the data without what it starts from."""

    workspace: Workspace
    prepared: Prepared
    data: TrainingData
    start: Start | None
    recipe: Recipe
    device: torch.device
    control: Control
    epochs: int
    teachers: tuple[Version, ...] = ()
    calibration: Mapping[str, Any] | None = None

    @property
    def settings(self) -> FinetuneSettings:
        """Settings without gaps."""
        return self.recipe.settings

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts that the data is of."""
        return self.prepared.trained_parts(refit=self.settings.refit, as_of=self.settings.as_of)


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
