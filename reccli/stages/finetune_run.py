"""One fine-tuning: from settings without gaps to trained weights and stored vectors.

U users, I items, S stored vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from reccli import failpoint, registry
from reccli.api.vectors import MixedVectors
from reccli.artifacts import vectors_frame
from reccli.errors import DataError
from reccli.manifest import Manifest
from reccli.stages.finetune_job import Job
from reccli.training.health_log import health_of
from reccli.workspace import Draft

if TYPE_CHECKING:
    from reccli.api import Sampler, TrainingData
    from reccli.training.checkpoint import Checkpoints
    from reccli.training.model import ScoringModel
    from reccli.training.task import Outcome
    from reccli.training.validation import Validator

__all__ = ["build_run", "checkpoints_of"]


def build_run(job: Job, draft: Draft, manifest: Manifest) -> None:
    """Train (or solve), write the artifacts, and fill the manifest.

    Raises:
        DataError: There are no training interactions.
        DivergedError: Training met a number that is not finite, or vectors have collapsed.
    """
    import torch

    from reccli.api import Context
    from reccli.stages.finetune_model import build_model

    settings, recipe, control = job.settings, job.recipe, job.control
    features = job.start.features() if job.start is not None else {}
    data = replace(job.data, features=features)
    if not len(data.train):
        raise DataError("there are no training interactions", hint="reccli prepare with other filters or ratios")
    context = Context(
        seed=settings.seed,
        device=str(job.device),
        threads=torch.get_num_threads(),
        online=settings.online,
        cache=job.workspace.cache,
        pretrained=job.start.folder if job.start is not None else None,
        say=control.say,
        warn=control.warn,
    )
    sampler = None
    if settings.sampler is not None:
        sampler = registry.create("sampler", settings.sampler, settings.sampler_settings)
        sampler.setup(data, context)  # before the encoder: it may be refused, and costs little
    model = build_model(job, data, context)
    validator = _validator(job, data, context)
    fitted = _fitted(job, validator, data, context)
    job.prepared.forget()  # training reads arrays alone
    outcome = _train(job, model, sampler, data, context, manifest, (validator, fitted))
    model.eval()
    failpoint.hit("finetune.trained")
    _write(job, draft, manifest, model, data, outcome)
    manifest.facts["depends_on"] = dict(model.encoder.determinants(context))
    if recipe.task == "ctr":
        manifest.facts["calibration"] = job.calibration or _calibration(job, model, validator)


def _train(
    job: Job,
    model: ScoringModel,
    sampler: Sampler | None,
    data: TrainingData,
    context: Any,
    manifest: Manifest,
    validators: tuple[Validator | None, Validator | None],
) -> Outcome:
    from reccli.stages.finetune_parts import adversary_of, plan_of
    from reccli.training.finetuning import FinetuneTask, measured
    from reccli.training.loop import train
    from reccli.training.task import Outcome

    settings, recipe, control = job.settings, job.recipe, job.control
    if not recipe.trainable:
        control.check_stop()
        metrics = measured(model, *validators)
        rows = [(0, name, value) for name, value in metrics.items()]
        value = next(iter(metrics.values()), None)
        return Outcome(0, 0, 0, value, value, "closed form", rows, 0.0)
    task = FinetuneTask(
        model,
        sampler,
        data,
        validators[0],
        context,
        fitted=validators[1],
        batch_size=int(settings.batch_size or 1),
        l1=settings.l1,
        l2=settings.l2,
        label=f"finetune {recipe.run_name}",
    )
    checkpoints = checkpoints_of(job, manifest)
    if control.restart:
        checkpoints.drop()
    plan = plan_of(settings, epochs=job.epochs, device=job.device, seed=context.derived_seed("torch"))
    outcome = train(task, plan, control, checkpoints, adversary_of(settings, task))
    checkpoints.drop()
    return outcome


def checkpoints_of(job: Job, manifest: Manifest) -> Checkpoints:
    """Return where the training of a run is saved until it is over."""
    from reccli.training.checkpoint import Checkpoints

    return Checkpoints(job.workspace.path / "logs" / "checkpoints" / f"finetune-{manifest.fingerprint}")


def _validator(job: Job, data: TrainingData, context: Any) -> Validator | None:
    """Return what computes the validation metric, or None (a refit has nothing left to validate on)."""
    from reccli.training.component_data import positives
    from reccli.training.validation import MOST_USERS, VALIDATION_USERS, Validator

    if job.settings.refit:
        return None
    held = positives(job.prepared.validation, job.prepared.task, job.recipe.task)
    if not len(held):
        job.control.warn("there is no validation part: the last epoch is kept, whatever it is worth")
        return None
    validator = Validator(
        str(job.settings.metric),
        job.recipe.task,
        data.train,
        held,
        context.numpy_generator(VALIDATION_USERS),
        str(job.device),
        _value_range(data),
        context.numpy_generator("health"),
    )
    if validator.sampled:
        job.control.say(f"validating on {MOST_USERS:,} users drawn at random")
    return validator


def _fitted(job: Job, validator: Validator | None, data: TrainingData, context: Any) -> Validator | None:
    """Return what computes the validation metric on train rows that are laid out as the validation part is, or None."""
    from reccli.training.fit_sample import split_fitted
    from reccli.training.validation import VALIDATION_USERS

    if validator is None or not job.settings.train_metric:
        return None
    rest, sample = split_fitted(data.train, validator.held, context.numpy_generator("fitted rows"))
    if not len(sample):
        job.control.warn("train_metric: users of the validation part have too few train rows to measure on")
        return None
    generator = context.numpy_generator(VALIDATION_USERS)
    return replace(validator, train=rest, held=sample, generator=generator, health=None)


def _value_range(data: TrainingData) -> tuple[float, float]:
    return float(data.train.value_E.min()), float(data.train.value_E.max())


def _write(
    job: Job, draft: Draft, manifest: Manifest, model: ScoringModel, data: TrainingData, outcome: Outcome
) -> None:
    import polars as pl
    import torch

    from reccli.training.validation import check_finite

    user_US, item_IS = model.user_vectors(data.train), model.item_vectors()
    check_finite(model, user_US, item_IS)
    draft.write("user_vectors", vectors_frame("user", user_US))
    draft.write("item_vectors", vectors_frame("item", item_IS))
    draft.write_tensors("weights.safetensors", model.stored_state())
    log = {
        "epoch": pl.Series([row[0] for row in outcome.rows], dtype=pl.UInt32),
        "metric": pl.Series([row[1] for row in outcome.rows], dtype=pl.String),
        "value": pl.Series([row[2] for row in outcome.rows], dtype=pl.Float64),
    }
    draft.write("training_log", pl.DataFrame(log))
    sparse_columns = item_IS.sparse_NS.shape[1] if isinstance(item_IS, MixedVectors) else None
    manifest.facts = _facts(job, model, data, outcome, sparse_columns)
    manifest.counts = {"users": len(user_US), "items": len(item_IS), "interactions": len(data.train)}
    manifest.seed = job.settings.seed
    manifest.device = str(job.device)
    manifest.threads = torch.get_num_threads()


def _facts(
    job: Job, model: ScoringModel, data: TrainingData, outcome: Outcome, sparse_columns: int | None
) -> dict[str, Any]:
    settings, encoder = job.settings, model.encoder
    n_warm = data.n_items if model.warm_I is None else int(model.warm_I.sum())
    facts: dict[str, Any] = {
        "task": job.recipe.task,
        "side_tasks": {side.task: side.weight for side in job.recipe.sides},
        "auxiliaries": {} if model.auxiliaries is None else dict(model.auxiliaries.weights),
        "similarity": settings.similarity,
        "trainable": job.recipe.trainable,
        "serves_new_users": encoder.serves_new_users,
        "serves_new_items": encoder.serves_new_items,
        "serves_user_texts": encoder.serves_user_texts,
        "joint": type(encoder).joint,
        "sparse_columns": sparse_columns,
        "users_by_text": encoder.warm_users() is not None,
        "warm_items": n_warm,
        "cold_items": data.n_items - n_warm,
        "refit": settings.refit,
        "parts": list(job.parts),
        "metric": None if settings.refit else settings.metric,
        "best_epoch": outcome.best_epoch,
        "best_value": _finite(outcome.best_value),
        "first_value": _finite(outcome.first_value),
        "train_value": _finite(_of_train(job, outcome)),
        "health": health_of(outcome.rows, outcome.best_epoch),
        "epochs": outcome.epochs,
        "steps": outcome.steps,
        "stopped": outcome.stopped,
        "train_seconds": round(outcome.seconds, 3),
        "pretrained": job.start.version.name if job.start is not None else None,
        "pretrained_parts": sorted(job.start.parts) if job.start is not None else [],
        "teachers": [version.name for version in job.teachers],
        "chosen": _encodable(job.recipe.chosen),
    }
    if job.recipe.task == "rating":
        facts["value_range"] = _value_range(data)
    return facts


def _of_train(job: Job, outcome: Outcome) -> float | None:
    """Return the metric on train rows in the epoch that is kept."""
    from reccli.training.finetuning import TRAIN

    wanted = (outcome.best_epoch, f"{TRAIN}{job.settings.metric}")
    return next((value for epoch, name, value in outcome.rows if (epoch, name) == wanted), None)


def _calibration(job: Job, model: ScoringModel, validator: Validator | None) -> dict[str, Any]:
    """Fit predicted clicks to the validation part, and say what that changes."""
    from reccli.evaluation.calibration import Calibration, fit_calibration

    if validator is None or job.settings.calibration == "none":
        return Calibration().facts()
    score_R, label_R = validator.predictions(model)
    found = fit_calibration(job.settings.calibration, score_R, label_R)
    metric = registry.create("metric", "calibration-error")
    before, after = (metric.value(label_R, some.probabilities(score_R)) for some in (Calibration(), found))
    job.control.say(
        f"clicks calibrated by {found.method}: calibration error {before:.4f} to {after:.4f} "
        "on the validation rows that it was fitted to"
    )
    return found.facts()


def _encodable(chosen: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in chosen.items() if isinstance(value, str | int | float | bool)}


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
