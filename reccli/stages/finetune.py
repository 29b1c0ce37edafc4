"""The finetune stage: train an encoder with a loss, choose the epoch on validation, store vectors and weights.

U users, I items, S stored vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reccli import failpoint, registry
from reccli.artifacts import Prepared, vectors_frame
from reccli.errors import DataError, DivergedError
from reccli.manifest import Manifest
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control, StageResult, run_stage
from reccli.workspace import Draft, Version, Workspace, fingerprint

if TYPE_CHECKING:
    import torch

    from reccli.api import TrainingData
    from reccli.training.model import ScoringModel
    from reccli.training.resolving import Recipe
    from reccli.training.task import Outcome

__all__ = ["finetune"]


@dataclass(frozen=True)
class _Job:
    """All that one fine-tuning reads."""

    workspace: Workspace
    prepared: Prepared
    pretrained: Version | None
    recipe: Recipe
    device: torch.device
    control: Control
    epochs: int

    @property
    def settings(self) -> FinetuneSettings:
        return self.recipe.settings

    @property
    def parts(self) -> tuple[str, ...]:
        return self.prepared.parts if self.settings.refit else ("train",)


def finetune(workspace: Workspace, settings: FinetuneSettings, control: Control) -> StageResult:
    """Train, and store vectors.

    With `refit` the model is trained on all interactions for as many epochs as an earlier run of the same settings chose;
    where there is none, that run is made first.

    Raises:
        ConfigError: Parts that do not fit each other or the data.
        MissingArtifactError: Nothing is prepared, or the pretrain run asked for is not there.
        DeviceError: The device is not there.
        DataError: There are no training interactions.
        DivergedError: Training met a number that is not finite.
        Interrupted: A signal asked to stop; the same command goes on from the checkpoint.
    """
    import torch

    from reccli.training.component_data import component_data
    from reccli.training.device import resolve_device
    from reccli.training.resolving import resolve

    device = resolve_device(settings.device)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    prepared = Prepared(workspace.current("prepare"))
    provides = component_data(prepared, prepared.task).provides()
    recipe = resolve(settings, prepared.task, provides)
    pretrained = _pretrained(workspace, prepared, recipe, control)
    epochs = recipe.settings.epochs or 0
    if settings.refit:
        chosen = _chosen_epochs(workspace, settings, prepared, pretrained, recipe, control)
        if chosen is None:
            return StageResult("finetune", "planned", None, ("first a run that chooses the epochs, then the refit",))
        epochs = chosen
    job = _Job(workspace, prepared, pretrained, recipe, device, control, epochs)
    return _run(job)


def _run(job: _Job) -> StageResult:
    recipe, control, facts = job.recipe, job.control, dict[str, Any]()
    announced = _announce(job)

    def build(draft: Draft, manifest: Manifest) -> None:
        for line in announced:
            control.say(line)
        _build(job, draft, manifest)
        facts.update(manifest.facts)

    status, version, why = run_stage(
        job.workspace,
        "finetune",
        recipe.run_name,
        **_determinants(job.prepared, job.pretrained, recipe, job.epochs),
        control=control,
        build=build,
    )
    if version is not None:
        facts = dict(version.manifest.facts)
    return StageResult("finetune", status, version, why, _lines(job, version, facts, status), facts, "reccli evaluate")


def _determinants(prepared: Prepared, pretrained: Version | None, recipe: Recipe, epochs: int) -> dict[str, Any]:
    """Return what a run's content depends on, as `run_stage` takes it."""
    from reccli.api import Context
    from reccli.training.device import resolve_device

    settings = recipe.settings.determinants()
    encoder = registry.create("encoder", recipe.settings.encoder, recipe.settings.encoder_settings)
    context = Context(
        seed=recipe.settings.seed,
        device=str(resolve_device(recipe.settings.device)),
        online=recipe.settings.online,
        pretrained=pretrained.path if pretrained is not None else None,
    )
    extra: dict[str, Any] = dict(encoder.determinants(context))
    return {
        "settings": settings,
        "parents": [prepared.version, *([pretrained] if pretrained is not None else [])],
        "components": registry.provenance(recipe.components),
        "extra": extra | ({"epochs": epochs} if recipe.settings.refit else {}),
    }


def _pretrained(workspace: Workspace, prepared: Prepared, recipe: Recipe, control: Control) -> Version | None:
    """Return the pretrain run to start from: the one asked for, else the last one, where it is of this data."""
    wanted = recipe.settings.pretrained
    if wanted == "none" or not recipe.trainable:
        return None
    if wanted is not None:
        return workspace.current("pretrain", wanted)
    name = workspace.last_run("pretrain")
    if name is None:
        return None
    found = workspace.current("pretrain", name)
    if found.manifest.parents.get("prepare/main") != prepared.version.fingerprint:
        control.warn(
            f"pretrain run '{name}' is of older prepared data and not used; reccli pretrain brings it up to date"
        )
        return None
    return found


def _chosen_epochs(
    workspace: Workspace,
    settings: FinetuneSettings,
    prepared: Prepared,
    pretrained: Version | None,
    recipe: Recipe,
    control: Control,
) -> int | None:
    """Return the epochs that the run without `refit` chose, making that run first where it is not there."""
    from dataclasses import replace

    if not recipe.trainable:
        return 0
    selection = replace(recipe, settings=recipe.settings.model_copy(update={"refit": False}))
    version = _find(workspace, prepared, pretrained, selection)
    if version is None:
        control.say(f"no run '{selection.run_name}' of these settings yet: it comes first, to choose the epochs")
        version = finetune(workspace, settings.model_copy(update={"refit": False}), control).version
    if version is None:
        return None
    epochs = int(version.manifest.facts["best_epoch"])
    control.say(f"refit on all interactions with {epochs} epochs, as run '{version.name}' chose")
    return epochs


def _find(workspace: Workspace, prepared: Prepared, pretrained: Version | None, recipe: Recipe) -> Version | None:
    known = _determinants(prepared, pretrained, recipe, 0)
    parents = {f"{parent.manifest.stage}/{parent.name}": parent.fingerprint for parent in known["parents"]}
    print_ = fingerprint("finetune", {**known, "parents": parents, "inputs": {}})
    return workspace.find("finetune", recipe.run_name, print_)


def _announce(job: _Job) -> list[str]:
    """Return lines that say what was chosen by nobody, and what is started from."""
    settings, recipe = job.settings, job.recipe
    lines = []
    if recipe.trainable:
        with_ = f" and negatives from {settings.sampler}" if settings.sampler else ""
        lines.append(
            f"{settings.encoder}: loss {settings.loss}{with_}, similarity {settings.similarity}, task {recipe.task}"
        )
        shown = {key: value for key, value in recipe.chosen.items() if key not in ("loss", "sampler", "similarity")}
        if shown:
            lines.append("defaults of the encoder: " + ", ".join(f"{key} {value}" for key, value in shown.items()))
    if job.pretrained is not None:
        manifest = job.pretrained.manifest
        lines.append(f"starting from pretrain {job.pretrained.name} ({manifest.finished[:16].replace('T', ' ')})")
    return lines


def _build(job: _Job, draft: Draft, manifest: Manifest) -> None:
    import torch

    from reccli.api import Context, Similarity
    from reccli.training.component_data import component_data
    from reccli.training.model import ScoringModel
    from reccli.training.pretrained import read_features

    settings, recipe, control = job.settings, job.recipe, job.control
    features = read_features(job.pretrained) if job.pretrained is not None else {}
    data = component_data(job.prepared, recipe.task, parts=job.parts, features=features)
    if not len(data.train):
        raise DataError("there are no training interactions", hint="reccli prepare with other filters or ratios")
    context = Context(
        seed=settings.seed,
        device=str(job.device),
        threads=torch.get_num_threads(),
        online=settings.online,
        cache=job.workspace.cache,
        pretrained=job.pretrained.path if job.pretrained is not None else None,
        say=control.say,
        warn=control.warn,
    )
    encoder = registry.create("encoder", settings.encoder, settings.encoder_settings)
    encoder.setup(data, context)
    loss = registry.create("loss", settings.loss, settings.loss_settings) if settings.loss is not None else None
    model = ScoringModel(encoder, loss, Similarity(str(settings.similarity)), data).to(job.device)
    outcome = _train(job, model, data, context, manifest)
    model.eval()
    failpoint.hit("finetune.trained")
    _write(job, draft, manifest, model, data, outcome)


def _train(job: _Job, model: ScoringModel, data: TrainingData, context: Any, manifest: Manifest) -> Outcome:
    from reccli.training.checkpoint import Checkpoints
    from reccli.training.finetuning import FinetuneTask
    from reccli.training.loop import train
    from reccli.training.task import Outcome

    settings, recipe, control = job.settings, job.recipe, job.control
    validator = _validator(job, data, context)
    if not recipe.trainable:
        control.check_stop()
        metrics = validator(model) if validator is not None else {}
        rows = [(0, name, value) for name, value in metrics.items()]
        value = next(iter(metrics.values()), None)
        return Outcome(0, 0, 0, value, value, "closed form", rows, 0.0)
    sampler = None
    if settings.sampler is not None:
        sampler = registry.create("sampler", settings.sampler, settings.sampler_settings)
        sampler.setup(data, context)
    task = FinetuneTask(
        model,
        sampler,
        data,
        validator,
        context,
        batch_size=int(settings.batch_size or 1),
        l1=settings.l1,
        l2=settings.l2,
        label=f"finetune {recipe.run_name}",
    )
    checkpoints = Checkpoints(job.workspace.path / "logs" / "checkpoints" / f"finetune-{manifest.fingerprint}")
    if control.restart:
        checkpoints.drop()
    outcome = train(task, _plan(job, context), control, checkpoints)
    checkpoints.drop()
    return outcome


def _plan(job: _Job, context: Any) -> Any:
    from reccli.training.task import Plan

    settings = job.settings
    return Plan(
        epochs=job.epochs,
        schedule_epochs=int(settings.epochs or 0),
        batch_size=int(settings.batch_size or 1),
        learning_rate=float(settings.learning_rate or 0),
        optimizer=str(settings.optimizer),
        schedule=str(settings.schedule),
        warmup=float(settings.warmup or 0),
        weight_decay=float(settings.weight_decay or 0),
        clip=settings.clip,
        patience=0 if settings.refit else int(settings.patience or 0),
        validate_every=settings.validate_every,
        checkpoint_every=settings.checkpoint_every,
        max_time=settings.max_time,
        precision=settings.precision,
        device=job.device,
        seed=context.derived_seed("torch"),
    )


def _validator(job: _Job, data: TrainingData, context: Any) -> Any:
    """Return what computes the validation metric, or None (a refit has nothing left to validate on)."""
    from reccli.training.component_data import positives
    from reccli.training.validation import MOST_USERS, Validator

    if job.settings.refit:
        return None
    held = positives(job.prepared.histories("valid"), job.prepared.task, job.recipe.task)
    if not len(held):
        job.control.warn("there is no validation part: the last epoch is kept, whatever it is worth")
        return None
    validator = Validator(
        str(job.settings.metric),
        job.recipe.task,
        data.train,
        held,
        context.numpy_generator("validation users"),
        str(job.device),
        _value_range(data),
    )
    if validator.sampled:
        job.control.say(f"validating on {MOST_USERS:,} users drawn at random")
    return validator


def _value_range(data: TrainingData) -> tuple[float, float]:
    return float(data.train.value_E.min()), float(data.train.value_E.max())


def _write(
    job: _Job, draft: Draft, manifest: Manifest, model: ScoringModel, data: TrainingData, outcome: Outcome
) -> None:
    import polars as pl
    import torch

    user_US, item_IS = model.user_vectors(data.train), model.item_vectors()
    for name, vectors in (("user", user_US), ("item", item_IS)):
        if not np.isfinite(vectors).all():
            raise DivergedError(f"{name} vectors are not finite after training", hint="lower the rate: --learning-rate")
    draft.write("user_vectors", vectors_frame("user", user_US))
    draft.write("item_vectors", vectors_frame("item", item_IS))
    draft.write_tensors("weights.safetensors", model.state_dict())
    log = pl.DataFrame(outcome.rows, schema=["epoch", "metric", "value"], orient="row") if outcome.rows else None
    schema = {"epoch": pl.UInt32, "metric": pl.String, "value": pl.Float64}
    draft.write("training_log", pl.DataFrame(schema=schema) if log is None else log.cast(schema))
    manifest.facts = _facts(job, model, data, outcome)
    manifest.counts = {"users": len(user_US), "items": len(item_IS), "interactions": len(data.train)}
    manifest.seed = job.settings.seed
    manifest.device = str(job.device)
    manifest.threads = torch.get_num_threads()


def _facts(job: _Job, model: ScoringModel, data: TrainingData, outcome: Outcome) -> dict[str, Any]:
    settings, encoder = job.settings, type(model.encoder)
    n_warm = data.n_items if model.warm_I is None else int(model.warm_I.sum())
    facts: dict[str, Any] = {
        "task": job.recipe.task,
        "similarity": settings.similarity,
        "trainable": job.recipe.trainable,
        "serves_new_users": encoder.serves_new_users,
        "serves_new_items": encoder.serves_new_items,
        "warm_items": n_warm,
        "cold_items": data.n_items - n_warm,
        "refit": settings.refit,
        "metric": None if settings.refit else settings.metric,
        "best_epoch": outcome.best_epoch,
        "best_value": _finite(outcome.best_value),
        "first_value": _finite(outcome.first_value),
        "epochs": outcome.epochs,
        "steps": outcome.steps,
        "stopped": outcome.stopped,
        "train_seconds": round(outcome.seconds, 3),
        "pretrained": job.pretrained.name if job.pretrained is not None else None,
        "chosen": _encodable(job.recipe.chosen),
    }
    if job.recipe.task == "rating":
        facts["value_range"] = _value_range(data)
    return facts


def _encodable(chosen: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in chosen.items() if isinstance(value, str | int | float | bool)}


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def _lines(job: _Job, version: Version | None, facts: Mapping[str, Any], status: str) -> tuple[str, ...]:
    if version is None:
        return ()
    lines = []
    value = "" if facts.get("best_value") is None else f"  valid {facts['metric']} {facts['best_value']:.4f}"
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
