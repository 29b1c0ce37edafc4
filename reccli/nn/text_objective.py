"""What objectives that train the text model have in common."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from reccli.api import Context, Objective, Pretrained, TrainingData
from reccli.nn.text_trunk import TextTrunk, TrunkSettings, text_trunk, trunk_determinants

__all__ = ["HEAD_SCALE", "TextObjective"]

HEAD_SCALE = 30.0


class TextObjective(Objective):
    """Base of an objective on the text model: it is opened, handed on and written here; the task is the subclass's.

    A subclass calls `self.open(data, context)` first in its `setup`. Objectives that are combined share one model.

    Args:
        settings: Of a class derived from `TrunkSettings`.
    """

    Settings: ClassVar[type[TrunkSettings]] = TrunkSettings
    trunk: TextTrunk
    head_scale: float = HEAD_SCALE
    """Factor on the learning rate for what the objective adds to the text model; an instance may set it."""

    def open(self, data: TrainingData, context: Context) -> None:
        """Open the text model, or take the one that another objective of the run has opened."""
        self.trunk = text_trunk(self.settings, data, context)

    def determinants(self, context: Context) -> dict[str, str]:
        """Return the digest of the text model's folder, and what `auto` means here."""
        return trunk_determinants(self.settings, context)

    def parameter_groups(self) -> Iterator[dict[str, Any]]:
        """Yield the text model's weights, and what the objective adds to them at a higher rate."""
        yield from self.trunk.groups()
        shared = {id(parameter) for parameter in self.trunk.parameters()}
        own = [p for p in self.parameters() if p.requires_grad and id(p) not in shared]
        yield {"params": own, "lr_scale": self.head_scale}

    def finish(self) -> Pretrained:
        """Return the items' vectors under the trained model."""
        return Pretrained(item_features={"text": self.trunk.item_vectors()})

    def save_files(self, folder: Path) -> None:
        """Write the model in Hugging Face layout, and into the cache what it says of the items' texts."""
        self.trunk.save(folder)
