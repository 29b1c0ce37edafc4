"""Contrastive pre-training of the text model on item texts.

B texts of a batch, L tokens, I items, D embedding, X twice B.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from reccli.api import Context, LossOutput, TrainingData
from reccli.nn.text_objective import TextObjective
from reccli.nn.text_trunk import TrunkSettings, most_texts

__all__ = ["SimCSE", "two_view_loss"]


class SimCSE(TextObjective):
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
        The encoder `bert`, which picks the trained model up by itself; the objectives `neighbours` and `mlm`.

    Example:
        >>> SimCSE.Settings(train="last-1").temperature
        0.05
    """

    class Settings(TrunkSettings):
        """Settings of `simcse`."""

        temperature: float = Field(default=0.05, gt=0)
        """What cosines are divided by: 0.03 to 0.1."""

    defaults: ClassVar[dict[str, object]] = {"epochs": 1, "batch_size": 64, "learning_rate": 3e-5}

    def setup(self, data: TrainingData, context: Context) -> None:
        """Open the model, and draw the texts to train on."""
        self.open(data, context)
        self.held_T = self.trunk.held_T
        self.kept_T = self.trunk.kept_T(most_texts(self.settings, context))
        self.held_seed = context.derived_seed("simcse held-out views")
        context.say(f"simcse: {len(self.kept_T):,} texts")

    @property
    def n_rows(self) -> int:
        """Distinct texts that are trained on."""
        return len(self.kept_T)

    def loss(self, row_B: Tensor) -> LossOutput:
        """Return each text's loss against the second views of the batch."""
        return LossOutput(self._loss(self.kept_T[row_B.cpu().numpy()]))

    def _loss(self, text_B: np.ndarray) -> Tensor:
        tower = self.trunk.source.tower
        code_BL, mask_BL = self.trunk.tokens.padded(text_B, tower.device)
        view_XD = tower(code_BL.repeat(2, 1), mask_BL.repeat(2, 1))  # one pass: dropout differs from row to row
        first_BD, second_BD = view_XD.chunk(2)
        return two_view_loss(first_BD.float(), second_BD.float(), self.settings.temperature)

    def held_out(self) -> dict[str, float]:
        """Return the loss on the texts kept out, under the same draws of dropout each time."""
        if len(self.held_T) < 2:
            return {}
        with self.trunk.measuring(dropout_seed=self.held_seed):  # without dropout the two views would be one
            values = [self._loss(self.held_T[start : start + 64]) for start in range(0, len(self.held_T), 64)]
        return {"held_out_loss": float(torch.cat(values).mean())}


def two_view_loss(first_BD: Tensor, second_BD: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy of finding each row's second view among all second views, B."""
    logit_BB = first_BD @ second_BD.T / temperature
    return logit_BB.logsumexp(1) - logit_BB.diagonal()
