"""Contrastive pre-training of the text model on item texts.

B texts of a batch, L tokens, I items, T distinct texts, D embedding, X twice B.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from reccli.api import ComponentSettings, Context, LossOutput, Objective, Pretrained, TrainingData
from reccli.errors import DataError
from reccli.nn.text_folder import PRETRAINED, find_model, model_digest, model_label
from reccli.nn.text_items import item_texts
from reccli.nn.text_source import TextSource
from reccli.nn.text_tower import check_mode

__all__ = ["SimCSE", "two_view_loss"]

MOST_HELD = 1000
MOST_ON_CPU = 5000


class SimCSE(Objective):
    """Recognise a text by its own second view among the views of other texts; a view is the text under dropout.

    ::

        l_b = -log( exp(z_b . z'_b / t) / sum_c exp(z_b . z'_c / t) )

    with `z` and `z'` the unit vectors of the same B texts under two draws of dropout, and `t` the temperature.

    Args:
        settings.temperature: What cosines are divided by; 0.03 to 0.1.
        settings.train: Which weights of the model are trained.

    Shapes:
        row numbers B -> value_B; item feature `text` ID.

    Raises:
        DataError: There are fewer than two distinct texts.
        MissingExtraError, OfflineError, DamagedArtifactError: As for the encoder `bert`.

    Notes:
        All item texts take part, those of items without interactions too: they are catalogue data, no interaction is
        looked at. A twentieth of the texts is kept out, and its loss chooses the epoch, so a model that training makes
        worse is handed on as it was. Repeated texts count once, or they would be negatives of themselves.

    Paper:
        Gao, Yao, Chen: SimCSE: Simple Contrastive Learning of Sentence Embeddings, EMNLP 2021,
        https://arxiv.org/abs/2104.08821, equation 4.

    Pairs well with:
        The encoder `bert`, which picks the trained model up by itself.

    Example:
        >>> SimCSE.Settings(train="last-1").temperature
        0.05
    """

    class Settings(ComponentSettings):
        """Settings of `simcse`."""

        path: str = ""
        """Folder of the text model, or a hub name with `--online`; the offline default without one."""
        train: str = Field(default="auto", pattern=r"^(auto|lora|all|last-[1-9]\d{0,2})$")
        """What is trained: `lora`, `last-N` layers, `all`, or `auto` (all on CUDA, the last 2 layers on the CPU)."""
        temperature: float = Field(default=0.05, gt=0)
        """What cosines are divided by: 0.03 to 0.1."""
        most: int | None = Field(default=None, ge=0)
        """Most texts that are trained on, drawn at random; 0 for all. Without it 5,000 on the CPU, all on CUDA."""
        pooling: Literal["mean", "cls"] = "mean"
        """How tokens become a text's vector."""
        max_length: int = Field(default=64, ge=4, le=8192)
        """Tokens of a text that count; batches are only as long as their longest text."""
        text_batch: int = Field(default=128, ge=1)
        """Texts encoded at a time where nothing is trained."""

    defaults: ClassVar[dict[str, object]] = {"epochs": 1, "batch_size": 64, "learning_rate": 3e-5}

    def setup(self, data: TrainingData, context: Context) -> None:
        """Open the model, and keep some texts out."""
        choice = self.settings
        self.source = TextSource(
            find_model(choice.path, online=context.online),
            mode=self._mode(context),
            pooling=choice.pooling,
            max_length=choice.max_length,
            batch=choice.text_batch,
            seed=context.derived_seed("simcse.adapters"),
            device=context.device,
            cache=context.cache,
            say=context.say,
        )
        self.item_texts = item_texts(data, context)
        self.texts = sorted({text for text in self.item_texts if text.strip()})
        if len(self.texts) < 2:
            raise DataError("simcse needs at least two distinct item texts", hint="reccli prepare RATINGS --items FILE")
        order_T = context.numpy_generator("simcse held out").permutation(len(self.texts))
        held = min(MOST_HELD, len(self.texts) // 20)
        self.held_T, self.kept_T = np.sort(order_T[:held]), np.sort(order_T[held:][: self._most(context)])
        self.held_seed = context.derived_seed("simcse held-out views")
        tower = self.source.tower
        self.tokens = tower.tokenise(self.texts)
        self.trunk = tower.trained_as_state()
        some, everything = tower.counts()
        context.say(
            f"simcse: {model_label(self.source.folder)}, {tower.mode} trained ({some / 1e6:.1f} M of "
            f"{everything / 1e6:.1f} M weights) on {len(self.kept_T):,} of {len(self.texts):,} texts, {held:,} kept out"
        )

    def determinants(self, context: Context) -> dict[str, str]:
        """Return the digest of the text model's folder, and what `auto` means here."""
        return {
            "text model": model_digest(find_model(self.settings.path, online=context.online)),
            "train": self._mode(context),
            "most": str(self._most(context)),
        }

    def _most(self, context: Context) -> int | None:
        most = self.settings.most
        if most is None:
            return None if context.device.startswith("cuda") else MOST_ON_CPU
        return most or None

    def _mode(self, context: Context) -> str:
        if self.settings.train == "auto":
            return "all" if context.device.startswith("cuda") else "last-2"
        return check_mode(self.settings.train)

    @property
    def n_rows(self) -> int:
        """Distinct texts that are trained on."""
        return len(self.kept_T)

    def loss(self, row_B: Tensor) -> LossOutput:
        """Return each text's loss against the second views of the batch."""
        return LossOutput(self._loss(self.kept_T[row_B.cpu().numpy()]))

    def _loss(self, text_B: np.ndarray) -> Tensor:
        tower = self.source.tower
        code_BL, mask_BL = self.tokens.padded(text_B, tower.device)
        view_XD = tower(code_BL.repeat(2, 1), mask_BL.repeat(2, 1))  # one pass: dropout differs from row to row
        first_BD, second_BD = view_XD.chunk(2)
        return two_view_loss(first_BD.float(), second_BD.float(), self.settings.temperature)

    def held_out(self) -> dict[str, float]:
        """Return the loss on the texts kept out, under the same draws of dropout each time."""
        if len(self.held_T) < 2:
            return {}
        tower, was = self.source.tower, self.source.tower.training
        devices = [tower.device] if tower.device.type == "cuda" else []
        tower.train()  # without dropout the two views would be one
        values = []
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=devices):
                torch.manual_seed(self.held_seed)
                for start in range(0, len(self.held_T), 64):
                    values.append(self._loss(self.held_T[start : start + 64]))
        finally:
            tower.train(was)
        return {"held_out_loss": float(torch.cat(values).mean())}

    def finish(self) -> Pretrained:
        """Return the items' vectors under the trained model."""
        self.vector_ID = self.source.vectors(self.item_texts, cached=False)
        return Pretrained(item_features={"text": self.vector_ID})

    def save_files(self, folder: Path) -> None:
        """Write the model in Hugging Face layout, and into the cache what it says of the items' texts."""
        place = folder / PRETRAINED
        self.source.tower.save(place)
        self.source.hand_over(place, self.item_texts, self.vector_ID)

    def train(self, mode: bool = True) -> SimCSE:
        """Switch dropout."""
        super().train(mode)
        source = getattr(self, "source", None)
        if source is not None and source.opened is not None:
            source.opened.train(mode)
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        source = getattr(self, "source", None)
        if source is not None and source.opened is not None:
            source.opened._apply(fn)
        return self


def two_view_loss(first_BD: Tensor, second_BD: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy of finding each row's second view among all second views, B."""
    logit_BB = first_BD @ second_BD.T / temperature
    return logit_BB.logsumexp(1) - logit_BB.diagonal()
