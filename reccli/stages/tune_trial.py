"""One trial of a search: a fine-tuning outside the workspace's lock, whose run is kept if it is the best so far."""

from __future__ import annotations

import gc
import math
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reccli.artifacts import Prepared
from reccli.errors import DivergedError, LockedError, OutOfMemoryError
from reccli.manifest import Manifest
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control, manifest_of, run_stage
from reccli.stages.finetune_job import Job, determinants_of, varied_job_of
from reccli.stages.finetune_run import build_run, checkpoints_of
from reccli.stages.tune_attempt import Measured
from reccli.training.search_space import applied
from reccli.workspace import Draft, Workspace

__all__ = ["Trials"]

NEVER = 1 << 30
COMMIT_PATIENCE = 30.0  # seconds that a commit waits for another writer; its training has been made already


class _Beaten(Exception):
    """Another process has committed a better trial meanwhile."""


@dataclass(frozen=True)
class _Trained:
    """A run that is trained and written, but not committed."""

    values: Mapping[str, Any]
    job: Job
    draft: Draft
    manifest: Manifest


class Trials:
    """Measures settings by training with them on the train part; validation chooses, and test is never looked at.

    Args:
        workspace: Where the data is, and the best run goes.
        base: Settings of all trials, with the name of the run.
        prepared: The data.
        control: How trials are run; what they say is for the log.
        drafts: Folder for what is trained and not yet committed.
    """

    def __init__(
        self, workspace: Workspace, base: FinetuneSettings, prepared: Prepared, control: Control, drafts: Path
    ) -> None:
        self._workspace, self._base, self._prepared, self._control = workspace, base, prepared, control
        self._drafts = drafts
        self._trained: _Trained | None = None

    def measure(self, values: Mapping[str, Any], report: Callable[[int, float], None]) -> Measured:
        """Train with some settings.

        Raises:
            ConfigError, DataError, PluginError: These settings cannot be trained.
            DivergedError: Training met a number that is not finite, or its metric is none.
            OutOfMemoryError: They need more memory than there is.
            Interrupted: A signal asked to stop.
        """
        self.drop()
        gc.collect()  # two models at once may be more than fits
        metric = ""

        def validated(epoch: int, metrics: Mapping[str, float]) -> None:
            if epoch and metric in metrics:
                report(epoch, float(metrics[metric]))

        control = replace(self._control, validated=validated)
        job = varied_job_of(self._workspace, applied(self._base, values), control, self._prepared)
        metric = str(job.settings.metric)
        manifest = manifest_of("finetune", **determinants_of(job))
        self._drafts.mkdir(parents=True, exist_ok=True)
        draft = Draft(self._drafts, "finetune")
        checkpoints = checkpoints_of(job, manifest)
        begun = checkpoints.some  # by somebody who may want to go on
        try:
            build_run(_without_checkpoints(job), draft, manifest)
        except DivergedError:
            if not begun:
                checkpoints.drop_steps()
            raise
        except (MemoryError, RuntimeError) as error:
            raise _memory_error(error) or error from error
        facts = manifest.facts
        value = facts["best_value"]
        if value is None or not math.isfinite(value):
            raise DivergedError(f"the validation metric {metric} is no number")
        self._trained = _Trained(dict(values), job, draft, manifest)
        return Measured(float(value), int(facts["best_epoch"]), int(facts["epochs"]))

    def keep(self, number: int, is_best: Callable[[], bool]) -> bool:
        """Commit the run that was trained last under its name, if it is the best; return whether it was.

        Where another run writes to the workspace for long, that is said, and left to the end of the search.
        """
        trained = self._trained
        if trained is None or not is_best():
            return False

        def build(draft: Draft, manifest: Manifest) -> None:
            if not is_best():
                raise _Beaten
            for file in sorted(trained.draft.path.iterdir()):
                os.rename(file, draft.path / file.name)
            made = trained.manifest
            manifest.facts = {**made.facts, "tuned": {"trial": number}}
            manifest.counts, manifest.seed = made.counts, made.seed
            manifest.device, manifest.threads = made.device, made.threads

        patience = max(self._control.lock_timeout, COMMIT_PATIENCE)
        control = replace(self._control, stop=lambda: None, lock_timeout=patience)
        name = trained.job.recipe.run_name
        try:
            run_stage(self._workspace, "finetune", name, **determinants_of(trained.job), control=control, build=build)
        except _Beaten:
            return False
        except LockedError as error:
            control.warn(f"trial {number} is not stored yet: {error.message}")
            return False
        return True

    def drop(self) -> None:
        """Delete what was trained last, if it was not kept."""
        self._trained = None
        shutil.rmtree(self._drafts, ignore_errors=True)


def _without_checkpoints(job: Job) -> Job:
    """A trial is made whole or made again: it is saved only where a signal stops it."""
    settings = job.settings.model_copy(update={"checkpoint_every": NEVER})
    return replace(job, recipe=replace(job.recipe, settings=settings))


def _memory_error(error: BaseException) -> OutOfMemoryError | None:
    import torch

    text = str(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        return OutOfMemoryError(f"out of memory: {text.splitlines()[0] if text else 'no more to be had'}")
    return None
