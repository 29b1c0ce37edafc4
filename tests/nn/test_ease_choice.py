"""What EASE chooses by itself is what a literal search over its settings finds, on the rows that are held out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from walks import ring_walks

from reccli.api import Context, Histories, TrainingData
from reccli.nn import ease_choice
from reccli.nn.ease_choice import PENALTIES, USER_POWERS, Choice, EaseChoice, Holdout
from reccli.nn.ease_settings import EaseSettings
from reccli.nn.spectral import Spectrum, decompose, normalised


class Decompositions:
    """Spectra without words, counted."""

    def __init__(self) -> None:
        self.asked: list[tuple[Choice, int]] = []

    def __call__(self, histories: Histories, choice: Choice, most: int) -> Spectrum:
        self.asked.append((choice, most))
        matrix, degree_U, degree_I = normalised(histories, (choice.user_power, 0.0))
        return decompose(matrix, most, degree_U, degree_I, generator=np.random.default_rng(0), n_iter=3)


def groups(users: int = 120) -> TrainingData:
    """Items that go together in tens, and a fifth of noise."""
    draw = np.random.default_rng(7)
    own_UI = np.arange(users)[:, None] % 4 == np.arange(40)[None] // 10
    matrix_UI = np.where(own_UI, draw.random((users, 40)) < 0.5, draw.random((users, 40)) < 0.08)
    user_E, item_E = np.nonzero(matrix_UI)
    return TrainingData(Histories.from_arrays(user_E, item_E, n_users=users, n_items=40))


def chooser(made: Decompositions, *, ordered: bool = False, say: Any = print, **given: Any) -> EaseChoice:
    return EaseChoice(EaseSettings(**given), Context(seed=1, say=say), made, texts=False, ordered=ordered)


def literal_ndcg(held: Holdout, power: float, l2: float) -> float:
    """NDCG@20 of dense EASE, user by user."""
    matrix_UI = np.zeros((held.kept.n_users, held.kept.n_items))
    matrix_UI[held.kept.user_E, held.kept.item_E] = 1.0
    scaled_UI = matrix_UI / np.maximum(matrix_UI.sum(1, keepdims=True), 1.0) ** power
    penalty = l2 * np.linalg.svd(scaled_UI, compute_uv=False)[0] ** 2
    inverse_II = np.linalg.inv(scaled_UI.T @ scaled_UI + penalty * np.eye(matrix_UI.shape[1]))
    weight_II = -inverse_II / np.diag(inverse_II)
    np.fill_diagonal(weight_II, 0.0)
    total = 0.0
    for user in range(held.seen.n_users):
        known = held.seen.item_E[held.seen.user_E == user]
        wanted = set(held.relevant.item_E[held.relevant.user_E == user].tolist())
        score_I = weight_II[known].sum(0)
        score_I[known] = -np.inf
        top = np.argsort(-score_I)[:20]
        gain = sum(1 / np.log2(place + 2) for place, item in enumerate(top) if item in wanted)
        total += gain / sum(1 / np.log2(place + 2) for place in range(min(len(wanted), 20)))
    return total / held.seen.n_users


def test_the_best_of_all_powers_and_penalties_is_chosen() -> None:
    data, made = groups(), Decompositions()
    search = chooser(made)
    chosen = search.choose(data)
    holdouts = search._holdouts(data)
    weight = [held.seen.n_users for held in holdouts]
    value = {
        (power, l2): np.average([literal_ndcg(held, power, l2) for held in holdouts], weights=weight)
        for power in USER_POWERS
        for l2 in PENALTIES
    }
    assert value[chosen.user_power, chosen.l2] == pytest.approx(max(value.values()), abs=1e-6)
    assert max(value.values()) > min(value.values()) + 0.01


def test_each_power_is_decomposed_once_for_each_holdout() -> None:
    made = Decompositions()
    chooser(made).choose(groups())
    assert [choice.user_power for choice, _ in made.asked] == [power for power in USER_POWERS for _ in range(3)]


def test_what_is_given_stays() -> None:
    made = Decompositions()
    chosen = chooser(made, user_power=0.3, words=0.0).choose(groups())
    assert chosen.user_power == 0.3
    assert chosen.l2 in PENALTIES
    again = Decompositions()
    assert chooser(again, user_power=0.3, l2=0.07).choose(groups()) == Choice(0.07, 0.3, 0.0)
    assert not again.asked


def test_without_rows_to_hold_out_a_middling_penalty_is_taken() -> None:
    single = TrainingData(Histories.from_arrays([0, 1, 2], [0, 1, 1], n_users=3, n_items=2))
    assert chooser(Decompositions()).choose(single) == Choice(PENALTIES[len(PENALTIES) // 2], 0.0, 0.0)


def test_ages_are_chosen_last_and_need_no_spectrum_of_their_own() -> None:
    made, lines = Decompositions(), list[str]()
    chosen = chooser(made, ordered=True, say=lines.append, l2=0.05, user_power=0.0).choose(ring_walks(ordered=True))
    assert chosen.recency > 0
    assert len(made.asked) == 1
    assert f", recency {chosen.recency:g} chosen" in lines[0]


def test_few_users_are_measured_several_times() -> None:
    data = groups(users=25)
    search = chooser(Decompositions())
    holdouts = search._holdouts(data)
    assert len(holdouts) == 3
    held = [set(zip(one.relevant.user_E.tolist(), one.relevant.item_E.tolist(), strict=True)) for one in holdouts]
    assert held[0] != held[1] != held[2]
    assert all(len(one.kept) < len(data.train) for one in holdouts)
    assert len(search._holdouts(replace(data, ordered=True))) == 1


def test_with_more_components_penalties_are_chosen_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease_choice, "CHOOSING_RANK", 8)
    made = Decompositions()
    chooser(made, rank=30).choose(groups())
    assert [most for _, most in made.asked] == [8] * 9 + [30]
