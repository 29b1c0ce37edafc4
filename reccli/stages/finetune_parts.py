"""From the settings of a fine-tuning to what the training parts take."""

from __future__ import annotations

import torch

from reccli.errors import ConfigError
from reccli.settings import FinetuneSettings
from reccli.training.adversary import Adversary
from reccli.training.collapse import Limits
from reccli.training.finetuning import FinetuneTask
from reccli.training.mechanics import Mechanics
from reccli.training.task import Plan

__all__ = ["adversary_of", "limits_of", "mechanics_of", "plan_of"]


def mechanics_of(settings: FinetuneSettings) -> Mechanics:
    """Return how a batch becomes a loss."""
    return Mechanics(
        micro_batch=settings.micro_batch,
        memory=settings.memory,
        memory_after=settings.memory_after,
        mask_twins=settings.mask_twins,
        dropout=settings.dropout,
        dropout_samples=settings.dropout_samples,
    )


def adversary_of(settings: FinetuneSettings, task: FinetuneTask) -> Adversary | None:
    """Return what makes steps harder, or None.

    Raises:
        ConfigError: The encoder has no tables to move.
    """
    if not settings.adversarial:
        return None
    tables = task.module.encoder.adversarial_tables()
    if not tables:
        raise ConfigError(
            f"adversarial: encoder '{settings.encoder}' trains no table of embeddings as it is set",
            hint="use one that does: --encoder history, or --encoder bert --train last-2",
        )
    return Adversary(tables, task.again, size=settings.adversarial, weight=settings.adversarial_weight)


def limits_of(settings: FinetuneSettings) -> Limits:
    """Return when vectors count as collapsed: never where distances are compared, to which directions say little."""
    keep = settings.collapse == "keep"
    if settings.similarity == "euclidean":
        return Limits(keep=keep)
    return Limits(cosine=settings.collapse_cosine, rank=settings.collapse_rank, keep=keep)


def plan_of(settings: FinetuneSettings, *, epochs: int, device: torch.device, seed: int) -> Plan:
    """Return how to train for some epochs."""
    return Plan(
        epochs=epochs,
        schedule_epochs=int(settings.epochs or 0),
        batch_size=int(settings.batch_size or 1),
        learning_rate=float(settings.learning_rate or 0),
        optimizer=str(settings.optimizer),
        schedule=str(settings.schedule),
        warmup=float(settings.warmup or 0),
        weight_decay=float(settings.weight_decay or 0),
        clip=settings.clip,
        average=float(settings.average or 0),
        swa=settings.swa,
        patience=0 if settings.refit else int(settings.patience or 0),
        validate_every=settings.validate_every,
        checkpoint_every=settings.checkpoint_every,
        max_time=settings.max_time,
        precision=settings.precision,
        device=device,
        seed=seed,
        limits=limits_of(settings),
    )
