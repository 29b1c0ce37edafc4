"""What all components share: frozen settings, declared needs, and the context of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["Component", "ComponentSettings", "Context"]


class ComponentSettings(BaseModel):
    """Base of a component's settings: frozen, closed (an unknown name is an error), each field with a docstring.

    Numbers are finite: nothing can be trained or solved with others, and what is stored as JSON has none.

    The docstring under a field is what `reccli plugins show` prints, and `--set loss.temperature=0.05` sets it. Where
    `reccli tune` looks for its value stands beside its type, as in
    `temperature: Annotated[float, Range(0.05, 1.0, log=True)] = Field(default=0.2, gt=0)`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Component:
    """A plugin: settings in, one job out, no state that the settings and the data do not explain.

    A subclass nests its own `Settings(ComponentSettings)` and is registered by one line in `pyproject.toml`, under the
    group of its kind. `needs` names what must be there for it to work; a run whose parts do not fit is refused before
    it starts.
    """

    Settings: ClassVar[type[ComponentSettings]] = ComponentSettings
    needs: ClassVar[frozenset[str]] = frozenset()
    """Any of `text`, `history`, `graph`, `time`, `ratings`, `labels`, `negatives`, `table`, `triples`, `images`."""
    api_version: ClassVar[int] = 1

    def __init__(self, settings: ComponentSettings | None = None) -> None:
        self.settings: Any = settings if settings is not None else self.Settings()

    def determinants(self, context: Context) -> dict[str, str]:
        """Return what results depend on besides settings and data, by name: the content of a model's folder, say.

        It is part of a run's fingerprint, and asked for before `setup`.
        """
        return {}


@dataclass(frozen=True)
class Context:
    """The circumstances of a run that a component may depend on.

    Args:
        seed: The run's seed. Draw through `generator` or `numpy_generator`, never from a global one.
        device: Torch device name, as in `cpu` or `cuda:0`.
        threads: CPU threads to use.
        online: Whether the network may be used.
        cache: Folder for caches that may be deleted at any time (inside the workspace), or None.
        pretrained: Folder of the pretrain version whose text model is started from, or None.
        restoring: Whether learned state is loaded right after `setup`: closed forms and warm starts may be skipped, and
            tensors may have any size (they take that of what is loaded).
        shared: What components of one run build once and use together, by name (a text model that several objectives
            train), or None where a component is alone.
        say: Receives one line for people (a choice made, a default used).
        warn: Receives one line for people that they should act on.
    """

    seed: int = 0
    device: str = "cpu"
    threads: int = 1
    online: bool = False
    cache: Path | None = None
    pretrained: Path | None = None
    restoring: bool = False
    shared: dict[str, Any] | None = field(default=None, compare=False)
    say: Callable[[str], None] = field(default=lambda line: None, compare=False)
    warn: Callable[[str], None] = field(default=lambda line: None, compare=False)

    def derived_seed(self, consumer: str) -> int:
        """Return a seed for one named consumer, so that adding a consumer moves no other's draws."""
        digest = hashlib.sha256(f"{self.seed}/{consumer}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def generator(self, consumer: str, *, device: str = "cpu") -> torch.Generator:
        """Return a fresh torch generator for a named consumer (on the CPU by default: the same draws everywhere)."""
        import torch

        return torch.Generator(device=device).manual_seed(self.derived_seed(consumer))

    def numpy_generator(self, consumer: str) -> np.random.Generator:
        """Return a fresh NumPy generator for a named consumer."""
        import numpy as np

        return np.random.default_rng(self.derived_seed(consumer))
