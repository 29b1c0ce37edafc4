"""The model that a fine-tuning trains, from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reccli import registry

if TYPE_CHECKING:
    from reccli.api import Context, TrainingData
    from reccli.stages.finetune_job import Job
    from reccli.training.model import ScoringModel

__all__ = ["build_model"]


def build_model(job: Job, data: TrainingData, context: Context) -> ScoringModel:
    """Set the encoder up, and join it with loss, teacher, side tasks and auxiliary tasks, on the job's device.

    What may be refused comes first, the encoder, which may take long, after it.

    Raises:
        ConfigError: A teacher cannot be taught from.
    """
    from reccli.api import Similarity
    from reccli.stages.finetune_parts import mechanics_of
    from reccli.stages.teachers import open_teacher
    from reccli.training.auxiliaries import build_auxiliaries
    from reccli.training.compiling import compile_parts
    from reccli.training.loss_sum import build_loss
    from reccli.training.model import ScoringModel
    from reccli.training.side_tasks import side_tasks

    settings, recipe = job.settings, job.recipe
    loss = None if settings.loss is None else build_loss(settings.loss, settings.loss_settings, recipe.task)
    teacher = open_teacher(job.workspace, job.teachers, job.prepared, settings, device=str(job.device))
    similarity = Similarity(str(settings.similarity))
    encoder = registry.create("encoder", settings.encoder, settings.encoder_settings)
    encoder.setup(data, context)
    sides = side_tasks(recipe.sides, data, folding=encoder.serves_new_users, similarity=similarity)
    auxiliaries = build_auxiliaries(settings.aux, settings.aux_settings, data, encoder, context)
    mechanics = mechanics_of(settings)
    model = ScoringModel(encoder, loss, similarity, data, mechanics, teacher, sides, auxiliaries).to(job.device)
    if settings.compile:
        compile_parts(encoder, job.device, say=context.say)
    return model
