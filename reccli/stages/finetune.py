"""The finetune stage: train an encoder with a loss, choose the epoch on validation, store vectors and weights."""

from __future__ import annotations

from reccli.settings import FinetuneSettings
from reccli.stages.common import Control, StageResult
from reccli.stages.finetune_one import finetune_one
from reccli.stages.recipe import finetune_by_recipe
from reccli.workspace import Workspace

__all__ = ["finetune"]


def finetune(workspace: Workspace, settings: FinetuneSettings, control: Control) -> StageResult:
    """Train, and store vectors.

    With `refit` the model is trained on all interactions for as many epochs as an earlier run of the same settings
    chose; where there is none, that run is made first. With `recipe` several encoders are tried, see
    `reccli.stages.recipe`.

    Raises:
        ConfigError: Parts that do not fit each other or the data, or a teacher that must not be.
        MissingArtifactError: Nothing is prepared, or the pretrain run asked for is not there.
        DeviceError: The device is not there.
        DataError: There are no training interactions.
        DivergedError: Training met a number that is not finite, or vectors have collapsed.
        Interrupted: A signal asked to stop; the same command goes on from the checkpoint.
    """
    train = finetune_one if settings.recipe is None else finetune_by_recipe
    return train(workspace, settings, control)
