"""The runs that another run learns from: found, checked, and opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reccli.api.vectors import MixedVectors
from reccli.artifacts import Prepared
from reccli.errors import ConfigError, MissingArtifactError
from reccli.stages.ensemble import ensemble_of
from reccli.stages.opening import opened
from reccli.training.loss_sum import traits_of
from reccli.workspace import Version, Workspace

if TYPE_CHECKING:
    from reccli.settings import FinetuneSettings
    from reccli.training.resolving import Recipe
    from reccli.training.teaching import Teacher

__all__ = ["open_teacher", "teachers_of"]


def teachers_of(workspace: Workspace, prepared: Prepared, recipe: Recipe) -> tuple[Version, ...]:
    """Return the runs that a recipe's settings name as teachers.

    Raises:
        ConfigError: The run to train cannot be taught, would teach itself, or would learn of parts of the data that it
            must not know.
        MissingArtifactError: There is no such run, or it was trained on other prepared data.
    """
    settings = recipe.settings
    if not settings.teacher:
        return ()
    if not recipe.trainable or recipe.task != "ranking":
        what = f"a run for task {recipe.task}" if recipe.trainable else f"encoder '{settings.encoder}'"
        raise ConfigError(f"teacher: {what} cannot be taught a ranking", hint="reccli finetune --loss infonce")
    if not traits_of(str(settings.loss)).needs_for(recipe.task) & {"negatives", "table"}:
        raise ConfigError(f"teacher: loss '{settings.loss}' ranks no items against each other", hint="--loss infonce")
    own = prepared.trained_parts(refit=settings.refit, as_of=settings.as_of)
    found = []
    for name in settings.teacher:
        if name == recipe.run_name:
            raise ConfigError(f"run '{name}' cannot teach itself", hint="give the new run a name: --name small")
        version = workspace.current("finetune", name)
        facts = version.manifest.facts
        if version.manifest.parents.get("prepare/main") != prepared.version.fingerprint:
            raise MissingArtifactError(
                f"teacher '{name}' was trained on other prepared data",
                hint=f"reccli finetune --name {name}, with its settings, brings it up to date",
            )
        if facts.get("task") != "ranking" or facts.get("joint"):
            raise ConfigError(f"teacher '{name}' gives no ranking of all items", hint="reccli status lists the runs")
        more = [part for part in facts["parts"] if part not in own]
        if more:
            raise ConfigError(
                f"teacher '{name}' knows the {more[0]} part, which this run must not learn of",
                hint="name a run that was not refitted",
            )
        found.append(version)
    return tuple(found)


def open_teacher(
    workspace: Workspace,
    versions: tuple[Version, ...],
    prepared: Prepared,
    settings: FinetuneSettings,
    *,
    device: str,
) -> Teacher | None:
    """Return the scores of one run, or of an ensemble of several, as soft targets; None without any."""
    from reccli.training.teaching import Teacher

    if not versions:
        return None
    parts = prepared.trained_parts(refit=settings.refit, as_of=settings.as_of)
    served = ensemble_of([opened(workspace, version, prepared, parts, device=device) for version in versions])
    user_UD, item_ID = served.user_UD, served.item_ID
    if isinstance(user_UD, MixedVectors) or isinstance(item_ID, MixedVectors):
        raise ConfigError(
            f"teacher '{served.title}' scores by sparse vectors, which cannot be taught from",
            hint="take a teacher with dense vectors: reccli finetune --encoder ease",
        )
    return Teacher(
        user_UD,
        item_ID,
        served.reachable_U,
        served.reachable_I,
        temperature=settings.teacher_temperature,
        weight=settings.teacher_weight,
    )
