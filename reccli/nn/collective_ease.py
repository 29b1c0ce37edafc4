"""EASE with words, solved in the spectrum of the interactions: vectors of histories, items and texts.

U users, I items, R components, V words, N texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from reccli.api.component import Context
from reccli.api.data import Histories, TrainingData
from reccli.errors import ConfigError
from reccli.nn.ease_choice import Choice, EaseChoice
from reccli.nn.ease_settings import EaseSettings
from reccli.nn.ease_vectors import ease_vectors, shares
from reccli.nn.history_age import aged, require_order
from reccli.nn.spectral import Spectrum, decompose, fold_in, normalised
from reccli.nn.vocabulary import Vocabulary

__all__ = ["CollectiveEase"]

Float32 = npt.NDArray[np.float32]
FEWEST = 3
"""Texts that a word has to be in."""


class CollectiveEase(nn.Module):
    """The item-item ridge regression without its diagonal, words as further rows; `ease` tells how it is solved.

    The score of an item that is not in a history is the product of its vector with that of the history. Nothing is
    there before `solve`, or before a state is loaded.

    Paper:
        Steck: Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019, https://arxiv.org/abs/1905.03375. Jeunen,
        Van Balen, Goethals: Closed-Form Models for Collaborative Filtering with Side-Information, RecSys 2020,
        https://doi.org/10.1145/3383313.3418480 (Collective EASE).
    """

    constants: ClassVar[frozenset[str]] = frozenset(
        {"item_IR", "history_IR", "word_VR", "share_R", "recency", "vocabulary.bucket_V", "vocabulary.idf_V"}
    )
    item_IR: Tensor
    history_IR: Tensor
    word_VR: Tensor
    share_R: Tensor
    recency: Tensor

    def solve(self, data: TrainingData, context: Context, given: EaseSettings) -> None:
        """Choose what is to be chosen, then solve on all training rows; for a state that is to be loaded, wait for it.

        Args:
            data: Training data.
            context: Draws what is held out, and the start of the decomposition.
            given: Settings.

        Raises:
            ConfigError: `words` is a number above 0, and the items have no texts; or `recency` is, and there is no
                order.
        """
        self._given, self._context = given, context
        self.vocabulary = Vocabulary(pairs=False, most=given.vocabulary, fewest=FEWEST)
        nothing = np.zeros((data.n_items, 1), np.float32), np.zeros((0, 1), np.float32), np.zeros(1, np.float32)
        self._keep(*nothing, recency=0.0)
        if context.restoring:
            return
        require_order(given.recency, ordered=data.ordered)
        self._text_VI = self._read(data)
        texts = self._text_VI is not None
        choice = EaseChoice(given, context, self._spectrum, texts=texts, ordered=data.ordered).choose(data)
        self._solve(data.train, choice)
        del self._text_VI

    @property
    def knows_words(self) -> bool:
        """Whether words count, in what was solved or loaded."""
        return bool(self.word_VR.numel())

    def of_histories(self, histories: Histories) -> Tensor:
        """Return the sum of each history's vectors, UR on the CPU; older ones count less where there is an order."""
        return torch.from_numpy(fold_in(aged(histories, float(self.recency)), self.history_IR.cpu().numpy()))

    def of_texts(self, texts: Sequence[str]) -> Tensor:
        """Return vectors of items given by text alone, NR on the CPU; zeros where words do not count."""
        if not self.knows_words:
            return torch.zeros(len(texts), len(self.share_R))
        vector_NR = self.vocabulary.weighted(texts) @ self.word_VR.cpu().numpy()
        return torch.from_numpy(ease_vectors(vector_NR, self.share_R.cpu().numpy())[1])

    def _read(self, data: TrainingData) -> Any:
        """Return the words of the items' texts, VI sparse; None where there are none, or where they are not wanted."""
        if self._given.words == 0 or data.item_text_I is None:
            if self._given.words not in (0, "auto"):
                raise ConfigError(
                    f"encoder.words={self._given.words}, and the items have no texts",
                    hint="reccli prepare RATINGS --items FILE",
                )
            return None
        text_VI = self.vocabulary.learn(data.item_text_I).T.tocsr()
        return text_VI if text_VI.nnz else None

    def _keep(self, item_IR: Float32, word_VR: Float32, share_R: Float32, *, recency: float) -> None:
        candidate_IR, history_IR = ease_vectors(item_IR, share_R)
        self.register_buffer("item_IR", torch.from_numpy(candidate_IR))
        self.register_buffer("history_IR", torch.from_numpy(history_IR))
        self.register_buffer("word_VR", torch.from_numpy(word_VR))
        self.register_buffer("share_R", torch.from_numpy(share_R))
        self.register_buffer("recency", torch.tensor(recency, dtype=torch.float64))

    def _solve(self, train: Histories, choice: Choice) -> None:
        found = self._spectrum(train, choice, self._given.rank)
        word_VR = np.zeros((0, len(found.value_R)), np.float32)
        if choice.words:
            scale_R = self._scale / np.maximum(found.value_R, 1e-6 * found.value_R.max(initial=1e-12))
            word_VR = np.ascontiguousarray(found.user_UR[train.n_users :] * scale_R, dtype=np.float32)
        self._keep(found.item_IR, word_VR, shares(found, choice.l2), recency=choice.recency)

    def _spectrum(self, histories: Histories, choice: Choice, most: int) -> Spectrum:
        """Decompose the interactions, with the words below them, into so many components at most."""
        from scipy.sparse import vstack

        matrix, degree_U, degree_I = normalised(histories, (choice.user_power, 0.0))
        if choice.words:
            row = float((matrix.data.astype(np.float64) ** 2).mean()) if matrix.nnz else 1.0
            self._scale = np.float32(np.sqrt(choice.words * row))
            text_VI = (self._text_VI * self._scale).astype(np.float32)
            matrix = vstack([matrix, text_VI], format="csr")
            degree_U = np.concatenate([degree_U, np.asarray(text_VI.sum(axis=1), np.float32).ravel()])
            degree_I = degree_I + np.asarray(text_VI.sum(axis=0), np.float32).ravel()
        generator = self._context.numpy_generator("ease")
        rank = min(self._given.rank, most)
        return decompose(matrix, rank, degree_U, degree_I, generator=generator, n_iter=self._given.n_iter)
