"""EASE with words, solved in the spectrum of the interactions: vectors of histories, items and texts.

U users, I items, R components, V words, N texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor, nn

from reccli.api.component import ComponentSettings, Context
from reccli.api.data import Histories, TrainingData
from reccli.api.search import Choices
from reccli.errors import ConfigError
from reccli.nn.held_out import hold_out, ndcg
from reccli.nn.history_age import RECENCIES, aged, require_order
from reccli.nn.spectral import Spectrum, decompose, fold_in, normalised
from reccli.nn.vocabulary import Vocabulary

__all__ = ["CollectiveEase", "EaseSettings"]

Float32 = npt.NDArray[np.float32]
Positive = Annotated[float, Field(gt=0)]
Amount = Annotated[float, Field(ge=0)]
PENALTIES = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
USER_POWERS = (0.0, 0.25, 0.5)
WORDS = (0.0, 8.0, 32.0)
FEWEST = 3
CHOOSING_USERS, MOST_FOLDS = 4096, 3  # one holdout of few users can prefer a poor power by chance
CHOOSING_RANK = 1024  # powers can be told apart with fewer components; what words are worth cannot


class EaseSettings(ComponentSettings):
    """Settings of EASE with words."""

    rank: int = Field(default=2048, ge=1)
    """Components; exact where it reaches the number of users or of items."""
    l2: Annotated[Positive | Literal["auto"], Choices(("auto", 0.002, 0.008, 0.032, 0.128))] = "auto"
    """Penalty as a share of the largest eigenvalue of the Gram matrix: 0.0005 to 0.1, or `auto`."""
    user_power: Annotated[float | Literal["auto"], Choices(("auto", 0.0, 0.25, 0.5))] = "auto"
    """How much less a row of a user with a long history counts: 0 to 0.5, or `auto`."""
    words: Annotated[Amount | Literal["auto"], Choices(("auto", 0.0, 2.0, 8.0, 32.0))] = "auto"
    """How many interactions the words of an item's text count as: 2 to 32, 0 leaves texts out, or `auto`."""
    recency: Annotated[Amount | Literal["auto"], Choices(("auto", 0.0, 0.5, 1.0))] = "auto"
    """How fast entries of a history count less with age: 0 (not at all) to 1.5, or `auto`; needs an order."""
    vocabulary: int = Field(default=4096, ge=1)
    """Words kept, those that most texts have: 1,024 to 16,384."""
    n_iter: int = Field(default=3, ge=1, le=50)
    """Passes of the decomposition."""


class Choice(NamedTuple):
    """What `auto` chooses."""

    l2: float
    user_power: float
    words: float
    recency: float = 0.0


class Holdout(NamedTuple):
    """Training rows without those held out, and what some users have kept and held."""

    kept: Histories
    seen: Histories
    relevant: Histories


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
        self._ordered, self._text_VI = data.ordered, self._read(data)
        free = {given.l2, given.user_power} | ({given.recency} if data.ordered else set())
        free |= {given.words} if self._text_VI is not None else set()
        self._solve(data.train, self._choose(data) if "auto" in free else next(self._choices()))
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
        found = self._spectrum(train, choice)
        word_VR = np.zeros((0, len(found.value_R)), np.float32)
        if choice.words:
            scale_R = self._scale / np.maximum(found.value_R, 1e-6 * found.value_R.max(initial=1e-12))
            word_VR = np.ascontiguousarray(found.user_UR[train.n_users :] * scale_R, dtype=np.float32)
        self._keep(found.item_IR, word_VR, shares(found, choice.l2), recency=choice.recency)

    def _spectrum(self, histories: Histories, choice: Choice, *, most: int | None = None) -> Spectrum:
        """Decompose the interactions, with the words below them."""
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
        rank = min(self._given.rank, most or self._given.rank)
        return decompose(matrix, rank, degree_U, degree_I, generator=generator, n_iter=self._given.n_iter)

    def _choices(self) -> Iterator[Choice]:
        """Yield what is tried first: powers and penalties, without words and recency unless these are given."""
        given = self._given
        words = 0.0 if given.words == "auto" or self._text_VI is None else given.words
        recency = 0.0 if given.recency == "auto" else given.recency
        for power in USER_POWERS if given.user_power == "auto" else [given.user_power]:
            for penalty in self._penalties():
                yield Choice(penalty, power, words, recency)

    def _penalties(self) -> Sequence[float]:
        return PENALTIES if self._given.l2 == "auto" else [self._given.l2]

    def _choose(self, data: TrainingData) -> Choice:
        """Try powers and penalties, then with all components words and penalties, then how fast histories age.

        All holdouts count for the powers, which differ by little; the first one alone for what comes after: with all
        components each further holdout costs as much again (23 CPU seconds on ml-latest-small, where all holdouts of
        the first stage take 13), and on two of its splits all three chose what the first chose.
        """
        holdouts = self._holdouts(data)
        first = list(self._choices())
        if not holdouts:
            return first[len(self._penalties()) // 2]
        value, best = self._best(first, holdouts, most=CHOOSING_RANK)
        weights = WORDS if self._given.words == "auto" and self._text_VI is not None else (best.words,)
        if len(weights) > 1 or min(self._given.rank, data.n_users, data.n_items) > CHOOSING_RANK:
            second = [best._replace(l2=l2, words=words) for words in weights for l2 in self._penalties()]
            value, best = self._best(second, holdouts[:1], most=self._given.rank)
        if self._ordered and self._given.recency == "auto":
            third = [best._replace(recency=recency) for recency in RECENCIES]
            value, best = self._best(third, holdouts[:1], most=self._given.rank)
        told = "" if self._text_VI is None else f", words {best.words:g}"
        told += f", recency {best.recency:g}" if self._ordered else ""
        self._context.say(
            f"ease: l2 {best.l2}, user power {best.user_power}{told} chosen"
            f" (ndcg@20 {value:.4f} on held-out training rows)"
        )
        return best

    def _holdouts(self, data: TrainingData) -> list[Holdout]:
        """Hold rows out anew until enough users have been measured; once where it is the newest that are held."""
        draw, found, room = self._context.numpy_generator, list[Holdout](), CHOOSING_USERS
        for fold in range(1 if data.ordered else MOST_FOLDS):
            kept, held = hold_out(data, 0.1, draw(f"ease held out {fold}"))
            user_B = np.flatnonzero((held.length_U > 0) & (kept.length_U > 0))
            if not len(user_B) or room <= 0:
                break
            if len(user_B) > room:
                user_B = np.sort(draw(f"ease users {fold}").choice(user_B, room, replace=False))
            room -= len(user_B)
            found.append(Holdout(kept, kept.rows(user_B), held.rows(user_B)))
        return found

    def _best(self, choices: Sequence[Choice], holdouts: Sequence[Holdout], *, most: int) -> tuple[float, Choice]:
        """Return the best of some choices and its NDCG@20; neighbours that share a spectrum decompose once."""
        total_C = np.zeros(len(choices))
        for one in holdouts:
            solved, found = None, None
            for number, choice in enumerate(choices):
                needs = choice.user_power, choice.words
                if found is None or solved != needs:
                    solved, found = needs, self._spectrum(one.kept, choice, most=most)
                item_IR, history_IR = ease_vectors(found.item_IR, shares(found, choice.l2))
                user_BR = fold_in(aged(one.seen, choice.recency), history_IR)
                (value,) = ndcg(user_BR, item_IR, [item_IR.shape[1]], one.seen, one.relevant, k=20)
                total_C[number] += value * one.seen.n_users
        mean_C = total_C / sum(one.seen.n_users for one in holdouts)
        place = max(range(len(choices)), key=lambda number: (mean_C[number], choices[number]))
        return float(mean_C[place]), choices[place]


def shares(found: Spectrum, l2: float) -> Float32:
    """Return how much of each component is kept, R.

    Args:
        found: Spectrum of the interactions, items' degrees not divided out.
        l2: Penalty as a share of the largest squared singular value.
    """
    square_R = found.value_R.astype(np.float64) ** 2
    share_R: Float32 = (square_R / (square_R + l2 * square_R.max(initial=1e-12))).astype(np.float32)
    return share_R


def ease_vectors(item_NR: Float32, share_R: Float32) -> tuple[Float32, Float32]:
    """Return the vectors of items as candidates and as parts of a history, NR each.

    Args:
        item_NR: Rows of the right singular vectors.
        share_R: How much of each component is kept.
    """
    kept_N = 1.0 - (item_NR.astype(np.float64) ** 2) @ share_R.astype(np.float64)
    history_NR = item_NR * np.sqrt(share_R)
    return (
        np.ascontiguousarray(history_NR / kept_N[:, None], dtype=np.float32),
        np.ascontiguousarray(history_NR, dtype=np.float32),
    )
