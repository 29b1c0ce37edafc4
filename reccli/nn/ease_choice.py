"""Which settings EASE shall have, by rows of the training part that are held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from reccli.api.component import Context
from reccli.api.data import Histories, TrainingData
from reccli.nn.climbing import climb
from reccli.nn.ease_settings import EaseSettings
from reccli.nn.ease_vectors import ease_vectors, shares
from reccli.nn.held_out import hold_out, ndcg
from reccli.nn.history_age import RECENCIES, aged
from reccli.nn.spectral import Spectrum, fold_in

__all__ = ["Choice", "EaseChoice"]

PENALTIES = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
USER_POWERS = (0.0, 0.25, 0.5)
WORDS = (0.0, 8.0, 32.0)
CHOOSING_USERS, MOST_FOLDS = 4096, 3  # one holdout of few users can prefer a poor power by chance
CHOOSING_RANK = 1024  # powers can be told apart with fewer components; what words are worth cannot


@dataclass(frozen=True)
class Choice:
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


class Rated(NamedTuple):
    """A choice, its NDCG@20, and the spectra of the holdouts that it was measured with."""

    value: float
    choice: Choice
    found_H: list[Spectrum]


class EaseChoice:
    """What is given, and for what is `auto` the best on rows of the training part that are held out.

    Args:
        given: Settings.
        context: Draws what is held out, and tells what is chosen.
        spectrum: Gives the spectrum of histories, by powers and words of a choice and so many components at most.
        texts: Whether items have words that may count.
        ordered: Whether histories have an order.
    """

    def __init__(
        self,
        given: EaseSettings,
        context: Context,
        spectrum: Callable[[Histories, Choice, int], Spectrum],
        *,
        texts: bool,
        ordered: bool,
    ) -> None:
        self._given, self._context, self._spectrum = given, context, spectrum
        self._texts, self._ordered = texts, ordered

    def choose(self, data: TrainingData) -> Choice:
        """Return what is given, and for what is `auto` the best.

        Tried are powers and penalties, then with all components words and penalties, then how fast histories age.

        All holdouts count for the powers, which differ by little; the first one alone for what comes after: with all
        components each further holdout costs as much again, and on two splits of ml-latest-small all three chose what
        the first chose.
        """
        given, start = self._given, self._start()
        holdouts = self._holdouts(data) if self._is_open() else []
        if not holdouts:
            return start
        powers = USER_POWERS if given.user_power == "auto" else (start.user_power,)
        best = self._best([replace(start, user_power=power) for power in powers], holdouts, most=CHOOSING_RANK)
        some_words = WORDS if given.words == "auto" and self._texts else (start.words,)
        if len(some_words) > 1 or min(given.rank, data.n_users, data.n_items) > CHOOSING_RANK:
            starts = [replace(best.choice, words=words) for words in some_words]
            best = self._best(starts, holdouts[:1], most=given.rank)
        if self._ordered and given.recency == "auto":
            best = self._climbed(best.choice, {"recency": RECENCIES}, holdouts[:1], best.found_H[:1])
        choice, told = best.choice, "" if not self._texts else f", words {best.choice.words:g}"
        told += f", recency {choice.recency:g}" if self._ordered else ""
        self._context.say(
            f"ease: l2 {choice.l2}, user power {choice.user_power}{told} chosen"
            f" (ndcg@20 {best.value:.4f} on held-out training rows)"
        )
        return choice

    def _is_open(self) -> bool:
        given = self._given
        read = [given.l2, given.user_power, *([given.recency] if self._ordered else [])]
        return "auto" in [*read, *([given.words] if self._texts else [])]

    def _start(self) -> Choice:
        """Return what is given, and else no power, a middling penalty, no words and no ages."""
        given, penalties = self._given, self._penalties()
        return Choice(
            l2=penalties[len(penalties) // 2],
            user_power=0.0 if given.user_power == "auto" else given.user_power,
            words=0.0 if given.words == "auto" or not self._texts else given.words,
            recency=0.0 if given.recency == "auto" else given.recency,
        )

    def _penalties(self) -> Sequence[float]:
        return PENALTIES if self._given.l2 == "auto" else [self._given.l2]

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

    def _best(self, starts: Sequence[Choice], holdouts: Sequence[Holdout], *, most: int) -> Rated:
        """Return the best of some choices, each with its best penalty; each search begins at the best so far.

        The metric has a single top over penalties a factor of 2 apart, so climbing finds it with half of them.
        """
        rated: list[Rated] = []
        for start in starts:
            found_H = [self._spectrum(one.kept, start, most) for one in holdouts]
            from_there = replace(start, l2=rated[-1].choice.l2) if rated else start
            rated.append(self._climbed(from_there, {"l2": self._penalties()}, holdouts, found_H))
            rated = [max(rated, key=lambda one: one.value)]
        return rated[0]

    def _climbed(
        self,
        start: Choice,
        ladders: Mapping[str, Sequence[float]],
        holdouts: Sequence[Holdout],
        found_H: list[Spectrum],
    ) -> Rated:
        """Return the best choice that is reached with these spectra, by the NDCG@20 of all holdouts' users."""

        def measure(tried: Choice) -> float:
            total, users = 0.0, 0
            for one, found in zip(holdouts, found_H, strict=True):
                item_IR, history_IR = ease_vectors(found.item_IR, shares(found, tried.l2))
                user_BR = fold_in(aged(one.seen, tried.recency), history_IR)
                (value,) = ndcg(user_BR, item_IR, [item_IR.shape[1]], one.seen, one.relevant, k=20)
                total, users = total + value * one.seen.n_users, users + one.seen.n_users
            return total / users

        return Rated(*climb(start, ladders, measure), found_H)
