"""Auxiliary tasks of a fine-tuning: which fit, with what settings, and their sum beside the loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from reccli import registry
from reccli.api.auxiliary import Auxiliary
from reccli.api.batch import Batch
from reccli.api.component import Context
from reccli.api.data import TrainingData
from reccli.api.encoder import Encoder
from reccli.errors import ConfigError, PluginError
from reccli.settings import FinetuneSettings
from reccli.training.parts import names_of, parts_of, together

__all__ = ["Auxiliaries", "build_auxiliaries", "check_views", "resolve_auxiliaries"]

PREFIX = "aux."
"""Before the names of their values in the training log."""


class Auxiliaries(nn.Module):
    """The weighted sum of a run's auxiliary tasks.

    Args:
        members: Names, tasks (set up) and weights.
        encoder: Set up; its walk is disturbed as a task asks for.

    Raises:
        ConfigError: Two tasks ask to disturb the walk.
    """

    def __init__(self, members: Sequence[tuple[str, Auxiliary, float]], encoder: Encoder) -> None:
        super().__init__()
        self.members = nn.ModuleDict({name: task for name, task, _ in members})
        self.weights = {name: weight for name, _, weight in members}
        asking = {name: task.disturbance() for name, task, _ in members}
        asking = {name: disturb for name, disturb in asking.items() if disturb is not None}
        if len(asking) > 1:
            raise ConfigError(
                f"aux {' and '.join(map(repr, asking))} both disturb the encoder's walk", hint="choose one of them"
            )
        encoder.keeps_walk = any(task.views == "graph" for _, task, _ in members)
        encoder.disturb = next(iter(asking.values()), None)

    def begin_epoch(self, epoch: int, encoder: Encoder) -> None:
        """Let every task begin."""
        for _, task, _ in self._weighed():
            task.begin_epoch(epoch, encoder)

    def forward(self, encoder: Encoder, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum of a batch, and each task's own value by name, without its weight."""
        total, values = torch.zeros((), device=batch.row_B.device), dict[str, Tensor]()
        for name, task, weight in self._weighed():
            values[PREFIX + name] = value = task(encoder, batch)
            total = total + weight * value
        return total, values

    def _weighed(self) -> Iterator[tuple[str, Auxiliary, float]]:
        for name, task in self.members.items():
            yield name, cast(Auxiliary, task), self.weights[name]


def build_auxiliaries(
    text: str | None, settings: Mapping[str, Any], data: TrainingData, encoder: Encoder, context: Context
) -> Auxiliaries | None:
    """Build the tasks of a text as `simgcl:0.1+ncl:0.05`, or return None without one."""
    if text is None:
        return None
    members = []
    for part in parts_of("aux", text, settings):
        task = registry.create("aux", part.component, part.values)
        task.setup(data, encoder, context)
        members.append((part.name, task, part.weight))
    return Auxiliaries(members, encoder)


def check_views(settings: FinetuneSettings) -> None:
    """Refuse tasks for which an encoder has no views, from their classes alone.

    Raises:
        ConfigError: With the encoders that would fit.
    """
    if settings.aux is None:
        return
    offered = registry.load("encoder", settings.encoder).views
    for name in names_of("aux", settings.aux):
        wanted = registry.load("aux", name).views
        if wanted not in offered:
            fitting = [encoder for encoder in registry.names("encoder") if wanted in _views(encoder)]
            raise ConfigError(
                f"aux '{name}' contrasts views of the {wanted}, and encoder '{settings.encoder}' has none; "
                f"encoders that fit: {', '.join(fitting) or 'none'}",
                hint=f"--encoder {fitting[0]}" if fitting else None,
            )


def resolve_auxiliaries(settings: FinetuneSettings) -> FinetuneSettings:
    """Return settings whose `aux` has names alone, and whose `aux_settings` have every weight: one text for one run.

    Raises:
        ConfigError: An unknown setting, or settings without a task.
    """
    if settings.aux is None:
        if settings.aux_settings:
            raise ConfigError("--set aux.…: this run has no aux", hint="--aux simgcl:0.1")
        return settings
    parts = parts_of("aux", settings.aux, settings.aux_settings)
    for part in parts:
        registry.settings_of("aux", part.component, part.values)
    weights = {f"{part.name}.weight": part.weight for part in parts}
    names = "+".join(part.component for part in parts)
    return settings.model_copy(update={"aux": names, "aux_settings": together(parts) | weights})


def _views(encoder: str) -> frozenset[str]:
    """Return what an encoder's class offers; nothing where its plugin is broken: an advice must not fail for that."""
    try:
        views: frozenset[str] = registry.load("encoder", encoder).views
    except PluginError:
        return frozenset()
    return views
