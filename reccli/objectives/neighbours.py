"""Contrastive pre-training of the text model on behaviour: items that share users are alike.

B anchors of a batch, T distinct texts, I items, U users, A anchors, D embedding.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from reccli.api import Context, LossOutput, TrainingData
from reccli.errors import DataError
from reccli.nn.co_occurrence import incidence, neighbour_graph
from reccli.nn.text_objective import TextObjective
from reccli.nn.text_pooling import widened
from reccli.nn.text_trunk import TrunkSettings

__all__ = ["Neighbours", "known_pairs", "neighbour_loss"]

MOST_ON_CPU = 10_000
HELD_BATCH = 64
Int64 = npt.NDArray[np.int64]


class Neighbours(TextObjective):
    """Bring texts together whose items share users, so that the text space learns what behaviour knows.

    ::

        w_ij = n_ij / (n_ij + s) * sum over users u of i and j  d_u^(-2 p) / (d_i d_j)^(1/2)        P(j | i) ~ w_ij
        l_b = -1/2 log( exp(z_i . z_j / t - g_j) / sum_c exp(z_i . z_jc / t - g_jc) )
              -1/2 log( exp(z_i . z_j / t - h_i) / sum_c exp(z_ic . z_j / t - h_ic) )

    with `z` the unit vectors of texts, (i, j) the pair of row b, (i_c, j_c) those of the whole batch, `n_ij` the users
    of both, `d` the degrees of users and items, `s` the shrinkage, `p` the `user_power`, and `t` the temperature. With
    `log_q`, `g` and `h` are the logarithms of how often a text is drawn as a neighbour and as an anchor, else 0. Other
    rows' texts that are neighbours of the row's own, or the same text, are left out of the sums.

    Args:
        settings.temperature: What cosines are divided by; 0.05 to 0.1.
        settings.k: Neighbours that positives are drawn from, the strongest of each item; 10 to 100.
        settings.shrink: Shared users at which a pair counts half; 0 to 10.
        settings.user_power: How much less users with long histories count; 0 to 0.5.
        settings.log_q: Whether frequent texts are not pushed away for being frequent.
        settings.popularity: Power of an item's interactions in the draw of anchors; 0 (all alike) to 1.

    Shapes:
        row numbers B -> value_B; item feature `text` ID.

    Raises:
        DataError: There are fewer than two distinct texts, or no two items with texts share a user.
        MissingExtraError, OfflineError, DamagedArtifactError: As for the encoder `bert`.

    Notes:
        Only interactions of the train part are looked at, and only items that have some take part. Items of one text
        are one. A twentieth of the texts is held out whole, as anchor and as positive, so the held-out loss tells how
        well texts that were never trained on find their neighbours, and it chooses the epoch.

    Paper:
        The similarity: Sarwar, Karypis, Konstan, Riedl: Item-Based Collaborative Filtering Recommendation Algorithms,
        WWW 2001, https://doi.org/10.1145/371920.372071, section 3.1.1. The loss: Radford et al.: Learning Transferable
        Visual Models From Natural Language Supervision, ICML 2021, https://arxiv.org/abs/2103.00020, figure 3.

    Pairs well with:
        The encoder `bert` on cold items; the objectives `simcse` and `mlm`.

    Example:
        >>> Neighbours.Settings(k=20).temperature
        0.07
    """

    class Settings(TrunkSettings):
        """Settings of `neighbours`."""

        temperature: float = Field(default=0.07, gt=0)
        """What cosines are divided by: 0.05 to 0.1."""
        k: int = Field(default=30, ge=1)
        """Neighbours of an item that positives are drawn from: 10 to 100."""
        shrink: float = Field(default=2.0, ge=0)
        """Shared users at which a pair counts half: 0 to 10."""
        user_power: float = Field(default=0.25, ge=0, le=1)
        """How much less users with long histories count: 0 (the plain cosine) to 0.5."""
        log_q: bool = False
        """Correct for how often a text is drawn: without it, frequent texts are negatives too often."""
        popularity: float = Field(default=0.5, ge=0, le=1)
        """Power of an item's interactions in the draw of anchors: 0 for all alike, 1 in proportion."""

    needs: ClassVar[frozenset[str]] = frozenset({"graph"})
    defaults: ClassVar[dict[str, object]] = {"epochs": 3, "batch_size": 64, "learning_rate": 5e-5}

    def setup(self, data: TrainingData, context: Context) -> None:
        """Open the model, and find the neighbours."""
        self.open(data, context)
        self.context = context
        n_texts = len(self.trunk.texts)
        kept_T = np.ones(n_texts, np.bool_)
        kept_T[self.trunk.held_T] = False
        matrix_UT = incidence(data.train, self.trunk.text_I, n_texts)
        choice = self.settings
        self.graph = neighbour_graph(
            matrix_UT, k=choice.k, user_power=choice.user_power, shrink=choice.shrink, among_R=kept_T
        )
        self.known = self.graph.keys()
        has_T = self.graph.degree_R > 0
        self.anchor_A, held = np.flatnonzero(has_T & kept_T), np.flatnonzero(has_T & ~kept_T)
        if not len(self.anchor_A):
            raise DataError("neighbours: no two items with texts share a user", hint="--objective simcse")
        weight_A = np.asarray(matrix_UT.sum(0), np.float64).ravel()[self.anchor_A] ** choice.popularity
        self.chance_A = weight_A / weight_A.sum()
        self.log_q_2T = self._log_q(n_texts)
        self.held_pairs = held, self.graph.draw(held, context.numpy_generator("neighbours held out"))
        most = choice.most if choice.most is not None or context.device.startswith("cuda") else MOST_ON_CPU
        self.rows = min(most or len(self.anchor_A), len(self.anchor_A))
        self.begin_epoch(0)
        context.say(
            f"neighbours: {len(self.graph.target_E):,} pairs of {len(self.anchor_A):,} texts, "
            f"{self.rows:,} an epoch, {len(held):,} texts held out"
        )

    def _log_q(self, n_texts: int) -> Tensor:
        """Return the logarithm of each text's chance to be drawn as an anchor and as a neighbour, 2T."""
        if not self.settings.log_q:
            return torch.zeros(2, n_texts)
        anchor_T = np.zeros(n_texts)
        anchor_T[self.anchor_A] = self.chance_A
        graph, source_E = self.graph, self.graph.source_E
        share_E = graph.weight_E / np.bincount(source_E, weights=graph.weight_E, minlength=n_texts)[source_E]
        neighbour_T = np.bincount(graph.target_E, weights=share_E * anchor_T[source_E], minlength=n_texts)
        floor = 1.0 / n_texts**2  # held-out texts are never drawn, and are anchors where the loss is only measured
        return torch.from_numpy(np.log(np.maximum(np.stack([anchor_T, neighbour_T]), floor))).float()

    @property
    def n_rows(self) -> int:
        """Anchors of an epoch."""
        return self.rows

    def begin_epoch(self, epoch: int) -> None:
        """Draw the epoch's anchors, and a positive for each."""
        generator = self.context.numpy_generator(f"neighbours of epoch {epoch}")
        self.first_A = generator.choice(self.anchor_A, self.rows, replace=False, p=self.chance_A)
        self.second_A = self.graph.draw(self.first_A, generator)

    def loss(self, row_B: Tensor) -> LossOutput:
        """Return each pair's loss against the batch."""
        row = row_B.cpu().numpy()
        return LossOutput(self._loss(self.first_A[row], self.second_A[row]))

    def _loss(self, first_B: Int64, second_B: Int64) -> Tensor:
        first_BD, second_BD = widened(self.trunk(np.concatenate([first_B, second_B]))).chunk(2)
        known_BB = known_pairs(first_B, second_B, self.known, len(self.trunk.texts))
        device = first_BD.device
        log_q_2B = torch.stack([self.log_q_2T[0, first_B], self.log_q_2T[1, second_B]]).to(device)
        return neighbour_loss(first_BD, second_BD, known_BB.to(device), self.settings.temperature, log_q_2B)

    def held_out(self) -> dict[str, float]:
        """Return the loss of texts that were kept out, each with a neighbour that was not."""
        first, second = self.held_pairs
        if len(first) < 2:
            return {}
        with self.trunk.measuring():
            values = [
                self._loss(first[start : start + HELD_BATCH], second[start : start + HELD_BATCH])
                for start in range(0, len(first), HELD_BATCH)
            ]
        return {"held_out_loss": float(torch.cat(values).mean())}


def known_pairs(first_B: Int64, second_B: Int64, key_K: Int64, n_texts: int) -> Tensor:
    """Return where row b's text and column c's positive (or b's positive and c's text) are no negatives, 2BB bool.

    They are not where they are one text or known neighbours, or where the column's text is the row's own second time.

    Args:
        first_B: Anchors.
        second_B: Their positives.
        key_K: Known pairs as `text * n_texts + text`, sorted, both ways.
        n_texts: Distinct texts.
    """
    masks = []
    for own_B, other_B in ((first_B, second_B), (second_B, first_B)):
        key_BB = own_B[:, None] * n_texts + other_B[None, :]
        place_BB = np.searchsorted(key_K, key_BB).clip(max=max(len(key_K) - 1, 0))
        known_BB = key_K[place_BB] == key_BB if len(key_K) else np.zeros_like(key_BB, np.bool_)
        known_BB = known_BB | (own_B[:, None] == other_B[None, :]) | (other_B[:, None] == other_B[None, :])
        np.fill_diagonal(known_BB, False)
        masks.append(known_BB)
    return torch.from_numpy(np.stack(masks))


def neighbour_loss(
    first_BD: Tensor, second_BD: Tensor, known_2BB: Tensor, temperature: float, log_q_2B: Tensor
) -> Tensor:
    """Return the mean of both directions' cross-entropies of finding the partner, B; known pairs are left out.

    Args:
        first_BD: Unit vectors of anchors.
        second_BD: Unit vectors of their positives.
        known_2BB: What is no negative, see `known_pairs`.
        temperature: What cosines are divided by.
        log_q_2B: What is taken off the scores of anchors and of positives where they are candidates.
    """
    logit_BB = first_BD @ second_BD.T / temperature
    value_B = torch.zeros_like(logit_BB[0])
    for logits_BB, known_BB, log_q_B in (
        (logit_BB, known_2BB[0], log_q_2B[1]),
        (logit_BB.T, known_2BB[1], log_q_2B[0]),
    ):
        corrected_BB = (logits_BB - log_q_B).masked_fill(known_BB, -torch.inf)
        value_B = value_B + 0.5 * (corrected_BB.logsumexp(1) - corrected_BB.diagonal())
    return value_B
