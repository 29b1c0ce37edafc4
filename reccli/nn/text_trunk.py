"""A text model under training, which objectives share: the catalogue's texts, their tokens, and what is written.

B texts of a batch, M distinct ones of them, X rows of padded tokens, L tokens, I items, T distinct texts, D embedding.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor, nn

from reccli.api import ComponentSettings, Context, TrainingData
from reccli.errors import DataError
from reccli.nn.text_folder import PRETRAINED, find_model, model_digest, model_label
from reccli.nn.text_items import item_texts
from reccli.nn.text_packing import can_pack, packed_states
from reccli.nn.text_pooling import pool_tokens
from reccli.nn.text_source import TextSource
from reccli.nn.text_tower import check_mode
from reccli.nn.text_usage import PROMPTS_FILE, TextUsage, usage_of

__all__ = ["MOST_ON_CPU", "TextTrunk", "TrunkSettings", "most_texts", "text_trunk", "trunk_determinants"]

MOST_HELD = 1000
MOST_ON_CPU = 5000
ROWS_ON_CPU = 16
SHARED = "text trunk"
Int64 = npt.NDArray[np.int64]


class TrunkSettings(ComponentSettings):
    """Settings of every objective that trains the text model; combined objectives have them in common."""

    path: str = ""
    """Folder of the text model, or a hub name with `--online`; the offline default without one."""
    train: str = Field(default="auto", pattern=r"^(auto|lora|all|last-[1-9]\d{0,2})$")
    """What is trained: `lora`, `last-N` layers, `all`, or `auto` (all on CUDA, the last 2 layers on the CPU)."""
    most: int | None = Field(default=None, ge=0)
    """Most texts of an epoch, drawn at random; 0 for all. Without it 5,000 on the CPU, all on CUDA."""
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    """How tokens become a text's vector; `auto` is what the model's folder says, else the mean."""
    prefix: str | None = None
    """What stands before an item's text, as `passage: ` for E5; what the model's folder says without one."""
    max_length: int = Field(default=64, ge=4, le=8192)
    """Tokens of a text that count; batches are only as long as their longest text."""
    text_batch: int = Field(default=128, ge=1)
    """Texts encoded at a time where nothing is trained."""


class TextTrunk(nn.Module):
    """A text model whose weights are trained, and the distinct texts of the catalogue.

    Only the trained weights are state. A twentieth of the texts is held out, the same for all objectives.

    Args:
        source: The text model.
        texts: One text per item.
        context: Seeds the draw of the texts that are held out.
        usage: What the model wants to stand before a text.

    Raises:
        DataError: There are fewer than two distinct texts.
    """

    def __init__(self, source: TextSource, texts: list[str], context: Context, *, usage: TextUsage) -> None:
        super().__init__()
        self.source, self.usage, self.item_texts = source, usage, texts
        self.texts = sorted({text for text in texts if text.strip()})
        if len(self.texts) < 2:
            raise DataError(
                "training the text model needs at least two distinct item texts",
                hint="reccli prepare RATINGS --items FILE",
            )
        code = {text: number for number, text in enumerate(self.texts)}
        self.text_I = np.array([code.get(text, -1) for text in texts], np.int64)
        self._order_T = context.numpy_generator("trunk held out").permutation(len(self.texts))
        self._n_held = min(MOST_HELD, len(self.texts) // 20)
        self.tokens = source.tower.tokenise(usage.items(self.texts))
        self.trained = source.tower.trained_as_state()
        self._vector_ID: npt.NDArray[np.float32] | None = None
        self._saved: Path | None = None

    @property
    def held_T(self) -> Int64:
        """Texts kept out of training, in order."""
        return np.sort(self._order_T[: self._n_held])

    def kept_T(self, most: int | None = None) -> Int64:
        """Return the texts to train on, in order; at most `most` of them."""
        return np.sort(self._order_T[self._n_held :][:most])

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.source.tower.device

    @property
    def size(self) -> int:
        """Numbers of a vector, D."""
        return self.source.tower.size

    def forward(self, text_B: Int64) -> Tensor:
        """Return unit vectors of texts, BD float32, with gradients where they are on; each text is encoded once."""
        text_M, place_B = np.unique(text_B, return_inverse=True)
        vector_MD = self.encode(*self.tokens.padded(text_M, torch.device("cpu")))
        return vector_MD[torch.from_numpy(place_B).to(vector_MD.device)]

    def encode(self, code_XL: Tensor, mask_XL: Tensor) -> Tensor:
        """Return unit vectors of texts given as padded tokens, XD float32; short and long ones go through apart."""
        tower = self.source.tower
        if can_pack(tower.model):
            code_XL, mask_XL = code_XL.to(self.device), mask_XL.to(self.device)
            state_SD = packed_states(tower.model, code_XL, mask_XL)
            state_XLD = state_SD.new_zeros(*mask_XL.shape, state_SD.shape[1])
            state_XLD[mask_XL] = state_SD
            return pool_tokens(state_XLD, mask_XL, tower.pooling)
        parts, rows = [], []
        for row_B, length in self.passes(mask_XL):
            inputs = (tensor_XL[row_B, :length].to(self.device) for tensor_XL in (code_XL, mask_XL))
            parts.append(tower(*inputs))
            rows.append(row_B)
        return torch.cat(parts)[torch.argsort(torch.cat(rows)).to(self.device)]

    def passes(self, mask_XL: Tensor) -> Iterator[tuple[Tensor, int]]:
        """Yield rows of a batch to run at a time, and the length of the longest: little of a pass is padding.

        On the CPU these are few rows, as padding costs as much as text; elsewhere the whole batch.
        """
        length_X = mask_XL.sum(1)
        size = ROWS_ON_CPU if self.device.type == "cpu" else max(len(length_X), 1)
        for row_B in torch.split(torch.argsort(length_X, descending=True, stable=True), size):
            yield row_B, max(int(length_X[row_B[0]]), 1)

    def text_vectors(self) -> npt.NDArray[np.float32]:
        """Return unit vectors of the distinct texts by the weights as they are now, TD, without dropout."""
        return self.source.vectors(self.usage.items(self.texts), cached=False)

    def groups(self) -> Iterator[dict[str, Any]]:
        """Yield the optimiser group of the trained weights."""
        yield {"params": [*self.trained.values()], "lr_scale": 1.0}

    def item_vectors(self) -> npt.NDArray[np.float32]:
        """Return the items' vectors under the trained model, ID; made once, when training is over."""
        if self._vector_ID is None:
            self._vector_ID = self.source.vectors(self.usage.items(self.item_texts), cached=False)
        return self._vector_ID

    def save(self, folder: Path) -> None:
        """Write the model in Hugging Face layout, and into the cache what it says of the items; once."""
        place = folder / PRETRAINED
        if self._saved == place:
            return
        self.source.tower.save(place)
        prompts = self.source.folder / PROMPTS_FILE
        if prompts.is_file():
            (place / PROMPTS_FILE).write_bytes(prompts.read_bytes())
        self.source.hand_over(place, self.usage.items(self.item_texts), self.item_vectors())
        self._saved = place

    def story(self) -> str:
        """One line for people: which model, and how much of it is trained."""
        tower = self.source.tower
        some, everything = tower.counts()
        return (
            f"{model_label(self.source.folder)}, {tower.mode} trained ({some / 1e6:.1f} M of "
            f"{everything / 1e6:.1f} M weights)"
        )

    @contextlib.contextmanager
    def measuring(self, *, dropout_seed: int | None = None) -> Iterator[None]:
        """Work without gradients inside, and without dropout, or with the draws of one seed."""
        was, devices = self.training, [self.device] if self.device.type == "cuda" else []
        self.train(dropout_seed is not None)
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=devices):
                if dropout_seed is not None:
                    torch.manual_seed(dropout_seed)
                yield
        finally:
            self.train(was)

    def train(self, mode: bool = True) -> TextTrunk:
        """Switch dropout."""
        super().train(mode)
        self.source.tower.train(mode)
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.source.tower._apply(fn)  # type: ignore[no-untyped-call]
        return self


def text_trunk(settings: TrunkSettings, data: TrainingData, context: Context) -> TextTrunk:
    """Return the text model that the objectives of this run train: the first one opens it, the others share it.

    Raises:
        DataError: There are fewer than two distinct texts.
        MissingExtraError, OfflineError, DamagedArtifactError: As for the encoder `bert`.
    """
    shared = context.shared if context.shared is not None else {}
    if SHARED not in shared:
        folder = find_model(settings.path, online=context.online)
        usage = usage_of(folder, pooling=settings.pooling, prefix=settings.prefix)
        source = TextSource(
            folder,
            mode=_mode(settings, context),
            pooling=usage.pooling,
            max_length=settings.max_length,
            batch=settings.text_batch,
            seed=context.derived_seed("text adapters"),
            device=context.device,
            cache=context.cache,
            say=context.say,
        )
        trunk = TextTrunk(source, item_texts(data, context), context, usage=usage)
        context.say(f"text model: {trunk.story()}; {len(trunk.texts):,} texts, {len(trunk.held_T):,} held out")
        shared[SHARED] = trunk
    found: TextTrunk = shared[SHARED]
    return found


def trunk_determinants(settings: TrunkSettings, context: Context) -> dict[str, str]:
    """Return the digest of the text model's folder, and what `auto` and no `most` mean here."""
    return {
        "text model": model_digest(find_model(settings.path, online=context.online)),
        "train": _mode(settings, context),
        "most": str(most_texts(settings, context)),
        "pooling": usage_of(find_model(settings.path, online=context.online), pooling=settings.pooling).pooling,
    }


def most_texts(settings: TrunkSettings, context: Context) -> int | None:
    """Return how many texts an epoch has at most, None for all."""
    if settings.most is None:
        return None if context.device.startswith("cuda") else MOST_ON_CPU
    return settings.most or None


def _mode(settings: TrunkSettings, context: Context) -> str:
    if settings.train == "auto":
        return "all" if context.device.startswith("cuda") else "last-2"
    return check_mode(settings.train)
