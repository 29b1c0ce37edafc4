"""`finetune --recipe auto`: try what suits the data, and keep what is best on validation, a run or a mixture."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reccli import registry
from reccli.artifacts import Prepared
from reccli.errors import (
    ConfigError,
    DataError,
    DivergedError,
    MissingExtraError,
    OutOfMemoryError,
    ReccliError,
)
from reccli.manifest import Manifest
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control, StageResult, run_stage
from reccli.stages.finetune_job import determinants_of, job_of
from reccli.stages.finetune_one import finetune_one
from reccli.stages.recipe_mixture import Mixing, mixing_of, store_mixing
from reccli.stages.starting import UnreadError
from reccli.training.recipes import Candidate, picked
from reccli.workspace import Draft, Version, Workspace

__all__ = ["finetune_by_recipe"]

NAME = "auto"
PARTS = ("encoder", "loss", "sampler", "aux")
OWN = (*PARTS, "similarity", *(f"{kind}_settings" for kind in PARTS))
OPEN = {"recipe", "encoder", "name", "task", "device", "threads", "seed", "refit", "as_of"}
"""Settings that no encoder refuses by itself: the task and the device are checked for all alike."""
LEFT_OUT = (ConfigError, DataError, DivergedError, OutOfMemoryError, MissingExtraError)
"""What keeps one encoder from being trained, where others may still be; of `ConfigError` see `_is_mistake`."""


Planned = tuple[Candidate, FinetuneSettings]


@dataclass(frozen=True)
class _Tried:
    """A candidate that was trained."""

    candidate: Candidate
    settings: FinetuneSettings
    version: Version
    value: float


def finetune_by_recipe(workspace: Workspace, settings: FinetuneSettings, control: Control) -> StageResult:
    """Look at the data, train each encoder of its shortlist, and make the best on validation the run `auto`.

    Where several of them mixed are better than the best alone, that mixture is the run `auto` (rankings, and the recipe
    `auto`; with `single` it is always one of them). Each candidate is a run of its own (`auto-ease`, say), so that a
    second call finds it up to date, a killed one goes on, and `evaluate --compare` and ensembles can use it. The test
    part is never looked at. With `refit` what won is trained on all interactions after that.

    Args:
        workspace: Where the data is.
        settings: With gaps; what the recipe chooses must not be set.
        control: How to run.

    Raises:
        ConfigError: Something is set that the recipe chooses, the metric does not fit, or a setting does not go with
            an encoder that could be trained without it.
        MissingArtifactError: Nothing is prepared, or the pretrain run asked for is not there.
        DataError: There is no validation part to choose on.
        ReccliError: No candidate could be trained; the last one's error.
    """
    given = [name for name in OWN if name in settings.model_fields_set]
    if given:
        flag = f"{given[0].removesuffix('_settings')}.*" if given[0].endswith("_settings") else f"--{given[0]}"
        told = f"--recipe {settings.recipe} chooses {flag}, which is set too"
        raise ConfigError(told, hint=f"leave out {flag}, or --recipe")
    prepared = Prepared(workspace.current("prepare"), shared=True)
    if not len(prepared.validation):
        raise DataError("there is no validation part to choose on", hint="reccli prepare with other --ratios")
    _check_names(workspace, prepared, settings)
    base = settings.model_copy(update={"recipe": None, "refit": False, "as_of": "now"})
    name = settings.name or NAME
    planned = [
        (candidate, base.model_copy(update={"encoder": candidate.encoder, "name": f"{name}-{candidate.encoder}"}))
        for candidate in _candidates(prepared, settings, control)
    ]
    planned = _fitting(workspace, prepared, planned, control)
    if control.dry_run:
        lines = tuple(f"{candidate.encoder}: {candidate.why}" for candidate, _ in planned)
        return StageResult("finetune", "planned", None, (f"{len(planned)} encoders are to be compared",), lines)
    order = _ranked(_tried(workspace, prepared, planned, control), control)
    mixing = _mixing(workspace, prepared, order, settings, control)
    if mixing is not None:
        return _mixed(workspace, prepared, [order[place] for place in mixing.places], mixing, settings, control)
    best = order[0]
    adopted = _adopt(workspace, prepared, best, name, control)
    if settings.refit:
        final = best.settings.model_copy(update={"name": name, "refit": True, "as_of": settings.as_of})
        return finetune_one(workspace, final, control, prepared)
    return _told(workspace, adopted, best)


def _check_names(workspace: Workspace, prepared: Prepared, settings: FinetuneSettings) -> None:
    """Refuse a metric or a pretrain run that there is not before anything is trained."""
    from reccli.training.tasks import task_of
    from reccli.training.validation import parse_metric

    if settings.metric is not None:
        parse_metric(settings.metric, task_of(settings.task, prepared))
    if settings.pretrained not in (None, "none"):
        workspace.current("pretrain", settings.pretrained)


def _candidates(prepared: Prepared, settings: FinetuneSettings, control: Control) -> list[Candidate]:
    from reccli.training.component_data import component_data
    from reccli.training.data_profile import profile_of
    from reccli.training.recipes import shortlist
    from reccli.training.tasks import task_of

    task = task_of(settings.task, prepared)
    profile = profile_of(component_data(prepared, task))
    control.say(profile.line)
    return shortlist(profile)


def _fitting(workspace: Workspace, prepared: Prepared, planned: Sequence[Planned], control: Control) -> list[Planned]:
    """Return the candidates whose settings go together, before anything is trained; others are said.

    One that reads nothing of the pretrain run that is named starts without it, if others read it.

    Raises:
        ConfigError: The settings given are wrong, or no candidate is left.
    """
    found, last, unread = [], None, list[UnreadError]()
    for candidate, settings in planned:
        try:
            job_of(workspace, settings, Control(), prepared)
        except UnreadError as error:
            unread.append(error)
            found.append((candidate, settings.model_copy(update={"pretrained": "none"})))
        except ConfigError as error:
            if _is_mistake(workspace, prepared, settings):
                raise
            last = error
            control.warn(f"{candidate.encoder} is left out: {error.message}")
        else:
            found.append((candidate, settings))
    if last is not None and not found:
        raise last
    if unread and len(unread) == len(found):
        raise unread[-1]
    return found


def _is_mistake(workspace: Workspace, prepared: Prepared, settings: FinetuneSettings) -> bool:
    """Whether settings that were refused are the user's mistake: without what was set, there would be no error.

    Only encoders that are trained are asked. One in closed form refuses what concerns a training (a teacher), and that
    is no mistake beside others that can be trained so.
    """
    if not registry.load("encoder", settings.encoder).trainable or not settings.model_fields_set - OPEN:
        return False
    kept = {name: getattr(settings, name) for name in OPEN & settings.model_fields_set}
    try:
        job_of(workspace, FinetuneSettings(**kept), Control(), prepared)
    except ConfigError:
        return False
    return True


def _tried(workspace: Workspace, prepared: Prepared, planned: Sequence[Planned], control: Control) -> list[_Tried]:
    """Train each candidate; one that cannot be trained is said and left out, unless none can."""
    tried: list[_Tried] = []
    last: ReccliError | None = None
    for candidate, settings in planned:
        control.check_stop()
        control.say(f"trying {candidate.encoder}: {candidate.why}")
        try:
            version = finetune_one(workspace, settings, control, prepared).version
        except LEFT_OUT as error:
            if isinstance(error, ConfigError) and _is_mistake(workspace, prepared, settings):
                raise
            control.warn(f"{candidate.encoder} is left out: {error.message}")
            last = error
            continue
        value = None if version is None else version.manifest.facts.get("best_value")
        if version is not None and value is not None and math.isfinite(value):
            facts = version.manifest.facts
            control.say(f"{candidate.encoder}: valid {facts['metric']} {value:.4f} in {version.manifest.seconds:.0f} s")
            tried.append(_Tried(candidate, settings, version, float(value)))
    if not tried:
        raise last or DataError("no encoder has a validation metric", hint="reccli prepare with other --ratios")
    return tried


def _ranked(tried: Sequence[_Tried], control: Control) -> list[_Tried]:
    """Return all by validation, the best first; of equals the first tried."""
    from reccli.training.validation import parse_metric

    facts = tried[0].version.manifest.facts
    sign = 1.0 if parse_metric(facts["metric"], facts["task"])[0].higher_is_better else -1.0
    order = sorted(tried, key=lambda one: -sign * one.value)
    control.say("by validation: " + " > ".join(f"{one.candidate.encoder} {one.value:.4f}" for one in order))
    return order


def _mixing(
    workspace: Workspace, prepared: Prepared, order: Sequence[_Tried], settings: FinetuneSettings, control: Control
) -> Mixing | None:
    """Return how some of them are better together, or None; ratings and clicks are never mixed by a recipe."""
    if settings.recipe != "auto" or order[0].version.manifest.facts["task"] != "ranking":
        return None
    versions, values = [one.version for one in order], [one.value for one in order]
    device = order[0].version.manifest.device or "cpu"
    return mixing_of(workspace, prepared, versions, values, device=device, control=control)


def _mixed(
    workspace: Workspace,
    prepared: Prepared,
    chosen: Sequence[_Tried],
    mixing: Mixing,
    settings: FinetuneSettings,
    control: Control,
) -> StageResult:
    """Make a mixture the run of the recipe; with `refit` another one of its runs trained on all interactions."""
    name, versions = settings.name or NAME, [one.version for one in chosen]
    status, version = store_mixing(workspace, prepared, name, versions, mixing, control=control)
    if settings.refit:
        versions = [_refitted(workspace, prepared, one, settings, control) for one in chosen]
        name += versions[0].name.removeprefix(chosen[0].version.name)
        status, version = store_mixing(workspace, prepared, name, versions, mixing, control=control)
    named = [f"{one.candidate.encoder} {weight:.2g}" for one, weight in zip(chosen, mixing.weights, strict=True)]
    lines = [
        f"recipe: {' + '.join(named)}, better together  valid {mixing.metric} {mixing.value:.4f}"
        f" ({mixing.alone:.4f} the best alone)",
        f"picked: normalised scores of {len(chosen)} runs, added; --recipe single keeps the best of them alone",
    ]
    if status == "done":
        lines.append(f"wrote {workspace.path}/finetune/{version.name} (as {', '.join(one.name for one in versions)})")
    return StageResult("finetune", status, version, (), tuple(lines), version.manifest.facts, "reccli evaluate")


def _refitted(
    workspace: Workspace, prepared: Prepared, one: _Tried, settings: FinetuneSettings, control: Control
) -> Version:
    final = one.settings.model_copy(update={"refit": True, "as_of": settings.as_of})
    return _committed(finetune_one(workspace, final, control, prepared).version)


def _adopt(workspace: Workspace, prepared: Prepared, best: _Tried, name: str, control: Control) -> tuple[str, Version]:
    """Commit the best run once more under the recipe's name, so that it is the default of later stages."""
    job = job_of(workspace, best.settings.model_copy(update={"name": name}), control, prepared)

    def build(draft: Draft, manifest: Manifest) -> None:
        made = best.version.manifest
        for file in made.outputs:
            (draft.path / file).parent.mkdir(parents=True, exist_ok=True)
            _share(best.version.path / file, draft.path / file)
        manifest.facts = {**made.facts, "recipe": best.version.name}
        manifest.counts, manifest.seed = made.counts, made.seed
        manifest.device, manifest.threads = made.device, made.threads

    status, version, _ = run_stage(workspace, "finetune", name, **determinants_of(job), control=control, build=build)
    return status, _committed(version)


def _committed(version: Version | None) -> Version:
    if version is None:
        raise ConfigError("a plan has no run", hint="leave out --dry-run")
    return version


def _share(source: Path, target: Path) -> None:
    """Give a committed file a second name: versions are never written again. Copy it where there are no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _told(workspace: Workspace, adopted: tuple[str, Version], best: _Tried) -> StageResult:
    status, version = adopted
    facts = dict(version.manifest.facts)
    lines = [f"recipe: {best.candidate.encoder}, {best.candidate.why}  valid {facts['metric']} {best.value:.4f}"]
    lines.append(f"picked: {picked(version.manifest.settings, facts)}")
    if status == "done":
        lines.append(f"wrote {workspace.path}/finetune/{version.name} (as {best.version.name})")
    return StageResult("finetune", status, version, (), tuple(lines), facts, "reccli evaluate")
