"""Vectors of texts from a model that is opened only when it is needed. T texts, D embedding."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from reccli.nn.int8 import size_of
from reccli.nn.text_cache import cached_vectors
from reccli.nn.text_folder import model_digest
from reccli.nn.text_tower import TextTower
from reccli.nn.text_training import PLAIN, TextTraining

__all__ = ["TextSource"]

MANY = 2000
COMPARED = 256


@dataclass
class TextSource:
    """A text model's folder, how it is used, and the cache of what it said.

    The model stays on disk while the cache knows every text that is asked for.

    Args:
        folder: A checked model folder.
        mode: What is trained, as in `TextTower`.
        pooling: `mean`, `cls` or `last`.
        max_length: Tokens of a text that count.
        batch: Texts encoded at a time.
        seed: Decides the first values of adapters.
        training: How the model is trained.
        device: Where to encode, until the model is moved.
        cache: Folder of caches, or None.
        say: Receives a line before a long encoding.
    """

    folder: Path
    mode: str = "frozen"
    pooling: str = "mean"
    max_length: int = 64
    batch: int = 128
    seed: int = 0
    training: TextTraining = PLAIN
    device: str = "cpu"
    cache: Path | None = None
    say: Callable[[str], None] = field(default=lambda line: None)
    _tower: TextTower | None = field(default=None, init=False)
    _digest: str = field(default="", init=False)

    @property
    def digest(self) -> str:
        """Hex digest of the folder's content."""
        self._digest = self._digest or model_digest(self.folder)
        return self._digest

    @property
    def opened(self) -> TextTower | None:
        """The model if it is open."""
        return self._tower

    @property
    def tower(self) -> TextTower:
        """The model, opened on first use."""
        if self._tower is None:
            self._tower = TextTower(
                self.folder,
                mode=self.mode,
                pooling=self.pooling,
                max_length=self.max_length,
                batch=self.batch,
                seed=self.seed,
                training=self.training,
            ).to(self.device)
        return self._tower

    def vectors(self, texts: Sequence[str], *, cached: bool = True) -> npt.NDArray[np.float32]:
        """Return unit vectors by the weights as they are now, TD, without gradients or dropout.

        Args:
            texts: The texts; each distinct one is encoded once.
            cached: Whether to look into the cache and to add to it (weights in mid-training are not worth keeping).
        """
        state = self.digest if self._tower is None else self._tower.state_digest()
        key = f"{state} {self.pooling} {self.max_length}" + (" int8" if self._as_int8 else "")
        return cached_vectors(texts, key, self.cache if cached else None, self._encode)

    def hand_over(self, folder: Path, texts: Sequence[str], vector_TD: npt.NDArray[np.float32]) -> None:
        """Put vectors into the cache as what the model saved in `folder` says of the texts."""
        row = {text: number for number, text in enumerate(texts)}
        key = f"{model_digest(folder)} {self.pooling} {self.max_length}"
        cached_vectors(texts, key, self.cache, lambda missing: vector_TD[[row[text] for text in missing]])

    def _encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        tower = self.tower
        if len(texts) > MANY:
            self.say(f"encoding {len(texts):,} texts on {tower.device}")
        return self._run(texts, as_int8=self._as_int8)

    def _run(self, texts: list[str], *, as_int8: bool) -> npt.NDArray[np.float32]:
        tower = self.tower
        was, numbers = tower.training, tower.as_int8() if as_int8 else contextlib.nullcontext()
        tower.eval()
        try:
            with torch.no_grad(), torch.autocast(tower.device.type, enabled=False), numbers:
                vector_TD = tower.encode(tower.tokenise(texts), np.arange(len(texts)))
        finally:
            tower.train(was)
        return vector_TD.float().cpu().numpy()

    @property
    def _as_int8(self) -> bool:
        device = self.device if self._tower is None else self._tower.device.type
        return self.training.int8 and device == "cpu"

    def int8_story(self, texts: Sequence[str]) -> str:
        """Return one line for people: how small the model is in int8, and how close its vectors are to the exact ones.

        Args:
            texts: What is encoded; up to 256 of them, evenly spaced, are compared.
        """
        if not self._as_int8:
            return f"int8 is for the CPU: texts are encoded in full on {self.device}"
        some = list(texts[:: max(1, len(texts) // COMPARED)])[:COMPARED]
        cosine_T = (self._run(some, as_int8=True) * self._run(some, as_int8=False)).sum(1)
        whole = size_of(self.tower.model)
        with self.tower.as_int8():
            small = size_of(self.tower.model)
        return (
            f"int8: {small / 1e6:.1f} of {whole / 1e6:.1f} MB ({small / whole:.1%}), cosine to the exact vectors "
            f"{cosine_T.mean():.4f} on average, {cosine_T.min():.4f} at least, over {len(some):,} texts"
        )
