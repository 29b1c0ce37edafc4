"""What a fine-tuning starts from of a pre-training: what its encoder reads, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reccli import registry
from reccli.api.encoder import TEXT_MODEL
from reccli.artifacts import Prepared
from reccli.errors import ConfigError, MissingArtifactError, PluginError
from reccli.stages.common import Control
from reccli.workspace import Version, Workspace

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from reccli.training.resolving import Recipe

__all__ = ["Start", "UnreadError", "find_start"]


class UnreadError(ConfigError):
    """A pretrain run is named, and the encoder, as it is set, reads nothing of it."""


@dataclass(frozen=True)
class Start:
    """A pretrain run that is started from.

    Args:
        version: The run.
        parts: Names of what is read of it: features, and `text_model`.
    """

    version: Version
    parts: frozenset[str]

    @property
    def folder(self) -> Path | None:
        """Folder of the run where its text model is read."""
        return self.version.path if TEXT_MODEL in self.parts else None

    def features(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the arrays that are read, by name."""
        from reccli.training.pretrained import read_features

        return read_features(self.version, self.parts)

    @property
    def line(self) -> str:
        """What is said of it; of a run of several objectives also what is read."""
        facts, when = self.version.manifest.facts, self.version.manifest.finished[:16].replace("T", " ")
        told = ""
        if "+" in str(facts.get("objective", "")):
            names = (name.replace("_", " " if name == TEXT_MODEL else "-") for name in sorted(self.parts))
            told = ": " + ", ".join(name for name in names if not name.endswith("-users"))
        return f"starting from pretrain {self.version.name} ({when}){told}"


def find_start(workspace: Workspace, prepared: Prepared, recipe: Recipe, control: Control) -> Start | None:
    """Return the pretrain run that is asked for, else the last one; None where there is nothing to read.

    Args:
        workspace: Where the runs are.
        prepared: The data that is trained on; vectors of another data set belong to other users and items.
        recipe: Without gaps.
        control: Takes a line on a run that is there and not read.

    Raises:
        UnreadError: A run is named, and the encoder reads nothing of it.
        MissingArtifactError: The run that is named is not there, or of other data, and more is read than its text
            model.
    """
    wanted = recipe.settings.pretrained
    name = wanted or (workspace.last_run("pretrain") if recipe.trainable else None)
    if name is None or name == "none":
        return None
    version = workspace.current("pretrain", name)
    parts = _reads(recipe.settings.encoder, recipe.settings.encoder_settings, recipe.task, version)
    fresh = version.manifest.parents.get("prepare/main") == prepared.version.fingerprint
    if wanted is not None and not parts:
        raise _unread(version, recipe)
    if wanted is not None and not fresh and parts != {TEXT_MODEL}:
        raise MissingArtifactError(
            f"pretrain run '{name}' is of other prepared data, and its vectors are of other users and items",
            hint=f"reccli pretrain --name {name}, with its settings, brings it up to date",
        )
    if not parts:
        control.say(
            f"pretrain run '{name}' is not started from: {recipe.settings.encoder}, as it is set, reads none of it"
        )
        return None
    if wanted is None and not fresh:
        control.warn(
            f"pretrain run '{name}' is of older prepared data and not used; reccli pretrain brings it up to date"
        )
        return None
    return Start(version, parts)


def _reads(encoder: str, settings: Mapping[str, Any], task: str, version: Version) -> frozenset[str]:
    """Return what an encoder reads of a run."""
    facts = version.manifest.facts
    offered = {**facts.get("item_features", {}), **facts.get("user_features", {})}
    offered |= {TEXT_MODEL: 0} if (version.path / TEXT_MODEL).is_dir() else {}
    found: frozenset[str] = registry.create("encoder", encoder, settings).starts_from(offered, task)
    return found & offered.keys()


def _unread(version: Version, recipe: Recipe) -> UnreadError:
    """Return an error with the encoders that, by their defaults, start from such a run."""
    fitting = []
    for name in registry.names("encoder"):
        try:
            reads = _reads(name, {}, recipe.task, version)
        except PluginError:  # an advice must not fail for a broken plugin
            continue
        if reads:
            fitting.append(name)
    if fitting:
        hint = f"--encoder {fitting[0]}, or leave --pretrained out"
    else:  # few users or items have fewer directions than tables are wide
        widths = version.manifest.facts.get("item_features", {}).items()
        told = ", ".join(f"{name} {width}" for name, width in widths)
        hint = f"leave --pretrained out, or set the encoder to at most as many numbers as the run has ({told})"
    if recipe.settings.encoder_settings.get("path"):
        hint = "give --pretrained or --encoder-path, not both"
    return UnreadError(
        f"encoder '{recipe.settings.encoder}', as it is set, reads nothing of pretrain run '{version.name}'; "
        f"encoders that do: {', '.join(fitting) or 'none'}",
        hint=hint,
    )
