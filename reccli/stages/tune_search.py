"""A search before it begins: what it varies around which training, and where it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reccli.artifacts import Prepared
from reccli.errors import ConfigError, DataError
from reccli.settings import FinetuneSettings, TuneSettings
from reccli.stages.common import Control, manifest_of
from reccli.stages.finetune_job import Job, determinants_of, job_of
from reccli.training.search_space import Parameter
from reccli.workspace import Workspace

__all__ = ["Search", "open_search"]


@dataclass(frozen=True)
class Search:
    """All that a search reads.

    Args:
        workspace: Where the data is, and the best run goes.
        base: Settings of all trials, with gaps, and with the name of the run.
        settings: Those of the search.
        control: How it is run.
        job: What a training without any search reads.
        parameters: What is searched.
    """

    workspace: Workspace
    base: FinetuneSettings
    settings: TuneSettings
    control: Control
    job: Job
    parameters: list[Parameter]

    @property
    def name(self) -> str:
        """Name of the search and of its best run."""
        return str(self.base.name)

    @property
    def metric(self) -> str:
        """What trials are compared by."""
        return str(self.job.settings.metric)

    @property
    def determinants(self) -> dict[str, Any]:
        """What the search depends on, as `run_stage` takes it: what its trials do, and where they look."""
        found = determinants_of(self.job)
        search = {"search": [repr(parameter) for parameter in self.parameters], **self.settings.determinants()}
        return {**found, "settings": {**found["settings"], **search, "params": []}}

    @property
    def folder(self) -> Path:
        """Where its journal is."""
        fingerprint = manifest_of("tune", **self.determinants).fingerprint
        return self.workspace.path / "logs" / "tune" / f"{self.name}-{fingerprint}"


def open_search(workspace: Workspace, base: FinetuneSettings, settings: TuneSettings, control: Control) -> Search:
    """Return a search, checked; arguments and errors as of `tune`."""
    from reccli.training.component_data import component_data
    from reccli.training.resolving import resolve
    from reccli.training.search_space import applied, space_of
    from reccli.training.tasks import task_of

    if settings.name is not None:
        workspace.check_name(settings.name)
    if base.refit:
        raise ConfigError(
            "tune chooses on validation, which a refit has none of", hint="tune without refit, then refit"
        )
    if base.recipe is not None:
        raise ConfigError(
            "tune searches around one recipe, and a recipe that chooses is several",
            hint="leave finetune.recipe out, and name one: --encoder NAME",
        )
    prepared = Prepared(workspace.current("prepare"), shared=True)
    if not len(prepared.validation):
        raise DataError("there is no validation part to choose on", hint="reccli prepare with other --ratios")
    task = task_of(base.task, prepared)
    data = component_data(prepared, task)
    provides = data.provides()

    def check(given: FinetuneSettings) -> None:
        resolve(given, task, provides, n_items=data.n_items)

    first = job_of(workspace, base, control, prepared)
    parameters = space_of(settings.params, base, first.recipe, provides, check)
    fixed: dict[str, Any] = {"name": settings.name or f"{first.recipe.run_name}-tuned"}
    if first.recipe.trainable:  # all trials start from the same weights, whatever is pre-trained meanwhile
        fixed["pretrained"] = "none" if first.start is None else first.start.version.name
    base = applied(base, fixed)
    job = job_of(workspace, base, control, prepared)
    return Search(workspace, base, settings, control, job, parameters)
