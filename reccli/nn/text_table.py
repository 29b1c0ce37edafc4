"""The catalogue as centred text vectors, with a text model behind it that may be trained.

N items asked for, M distinct texts of them, I items, T distinct texts, D embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reccli.errors import DamagedArtifactError
from reccli.nn.text_source import TextSource
from reccli.nn.text_training import TextTraining, trunk_groups

__all__ = ["TextTable"]


class TextTable(nn.Module):
    """Vectors of items by their texts, minus the mean of the items seen in training.

    A table of all items serves histories and exports. It is made of the frozen model once, or, where the model is
    trained, brought up to its weights once an epoch; items of a step are then encoded anew, with gradients.

    The state holds what training made: the trained weights, the mean, and the table (it may be older than the weights
    beside it, and a run that is resumed needs exactly this one). Weights that are not trained stay out of the state,
    which names them by the digest of their folder; with other weights it cannot be loaded.

    Args:
        source: The text model.
        texts: One text per item; each distinct one is encoded once.
        warm_I: Items seen in training.
        centre: Whether the mean is subtracted.
        restoring: Whether state is loaded next, so that a table that is part of it need not be made.
    """

    base_ID: Tensor
    digest_32: Tensor
    mean_D: Tensor
    stale: Tensor
    text_I: Tensor
    warm_I: Tensor

    def __init__(
        self,
        source: TextSource,
        texts: Sequence[str],
        warm_I: Tensor,
        *,
        centre: bool = True,
        restoring: bool = False,
    ) -> None:
        super().__init__()
        self.source, self.centre = source, centre and bool(warm_I.any())
        distinct, text_I = np.unique(np.array(texts, dtype=object), return_inverse=True)
        self.texts = [str(text) for text in distinct]
        self.tokens: Any = None
        self.register_buffer("text_I", torch.from_numpy(text_I), persistent=False)
        self.register_buffer("warm_I", warm_I, persistent=False)
        kept = source.mode != "frozen"
        if kept and restoring:
            vector_ID = torch.zeros(len(text_I), source.tower.size)
        else:  # before the model is opened in its mode: what the folder says is in the cache for every mode
            vector_ID = torch.from_numpy(source.vectors(self.texts))[self.text_I]
            if source.training.int8 and not restoring:
                source.say(source.int8_story(self.texts))
        mean_D = vector_ID[warm_I].mean(0) if self.centre else torch.zeros(vector_ID.shape[1])
        self.register_buffer("mean_D", mean_D)
        self.register_buffer("base_ID", vector_ID - mean_D, persistent=kept)
        self.register_buffer("stale", torch.zeros((), dtype=torch.bool), persistent=kept)
        self.register_buffer("digest_32", torch.frombuffer(bytearray.fromhex(source.digest), dtype=torch.uint8))
        self.trunk = source.tower.trained_as_state() if kept else nn.ParameterDict()
        self.register_load_state_dict_pre_hook(_before_load)  # type: ignore[no-untyped-call]

    @property
    def size(self) -> int:
        """Numbers of a vector, D."""
        return len(self.mean_D)

    @property
    def trained(self) -> bool:
        """Whether the text model itself is trained."""
        return len(self.trunk) > 0

    def groups(self, training: TextTraining) -> Iterator[dict[str, Any]]:
        """Yield the optimiser groups of the text model; none where it is not trained."""
        if self.trained:
            source = self.source
            yield from trunk_groups(source.tower.model, self.trunk.values(), mode=source.mode, training=training)

    def begin_epoch(self) -> None:
        """Bring the table up to the weights, and the mean up to the table."""
        if self.trained:
            self.refresh()
            if self.centre:
                shift_D = self.base_ID[self.warm_I].mean(0)
                self.mean_D = self.mean_D + shift_D
                self.base_ID = self.base_ID - shift_D

    def begin_step(self) -> None:
        """Note that a step is about to change the text model."""
        if self.training and self.trained:
            self.stale.fill_(True)

    @torch.no_grad()
    def refresh(self) -> bool:
        """Make the table anew if the weights have changed since; return whether they had."""
        if not self.trained or not bool(self.stale):
            return False
        vector_TD = torch.from_numpy(self.source.vectors(self.texts, cached=False)).to(self.mean_D.device)
        self.base_ID = vector_TD[self.text_I] - self.mean_D
        self.stale.fill_(False)
        return True

    def forward(self, item_N: Tensor, *, micro_batch: int | None = None) -> Tensor:
        """Return centred vectors of items, ND; in training of the text model with gradients that reach it.

        Args:
            item_N: Item codes.
            micro_batch: Texts of a pass that keeps no activations, see `TextTower.encode`.
        """
        if not (self.training and self.trained):
            self.refresh()
            return self.base_ID[item_N]
        text_M, place_N = torch.unique(self.text_I[item_N], return_inverse=True)
        tower = self.source.tower
        if self.tokens is None:
            self.tokens = tower.tokenise(self.texts)
        vector_MD = tower.encode(self.tokens, text_M.cpu().numpy(), micro_batch=micro_batch)
        return vector_MD[place_N] - self.mean_D

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return centred vectors of any texts, ND."""
        vector_ND = torch.from_numpy(self.source.vectors(list(texts))).to(self.mean_D.device)
        return vector_ND.reshape(len(texts), self.size) - self.mean_D

    def train(self, mode: bool = True) -> TextTable:
        """Switch dropout, in the text model only where it is trained."""
        super().train(mode)
        if self.source.opened is not None:
            self.source.opened.train(mode and self.trained)
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.source.opened is not None:
            self.source.opened._apply(fn)  # type: ignore[no-untyped-call]
        return self


def _before_load(table: Any, state: dict[str, Any], prefix: str, *_: Any) -> None:
    stored = state.get(f"{prefix}digest_32")
    if stored is not None and not torch.equal(stored.cpu(), table.digest_32.cpu()):
        raise DamagedArtifactError(
            f"text model {table.source.folder} is not the one that this run was trained with",
            hint="give the old folder with --encoder-path, or train anew: reccli finetune --force",
        )
    mean_D = state.get(f"{prefix}mean_D")
    if mean_D is not None and not table.trained:  # a table that is not part of the state follows the mean
        table.base_ID = table.base_ID + (table.mean_D - mean_D.to(table.mean_D.device))
