"""Filters of the spectrum and of one hop, against loops; that the best is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from reccli.api import Context, Histories, TrainingData
from reccli.nn import sparse_choice
from reccli.nn.history_age import aged
from reccli.nn.history_matrix import history_matrix
from reccli.nn.one_hop import OneHop
from reccli.nn.sparse_choice import Trial, trial
from reccli.nn.spectral import spectrum
from reccli.nn.spectral_filter import Filter, best_mixture, best_of_spectrum, filter_vectors

PLAIN = Filter(rank=5, exponent=0.4, l2=0.0, one_hop=0.0, item_power=0.2, recency=0.0)


def some_trial() -> Trial:
    draw = np.random.default_rng(2)
    user_E, item_E = np.nonzero(draw.random((40, 20)) < 0.3)
    histories = Histories.from_arrays(user_E, item_E, n_users=40, n_items=20, time_E=draw.permutation(len(user_E)))
    found = trial(TrainingData(histories, ordered=True), Context(), "test", users=30, share=0.3)
    assert found is not None
    return found


@pytest.mark.parametrize("which", [0, 1, 2, 3, 4])
def test_values_are_those_of_the_scores(which: int) -> None:
    held = some_trial()
    found = spectrum(held.kept, 8, generator=np.random.default_rng(0))
    hop = OneHop.of(held.kept, user_power=0.7, history_power=0.4)
    tried = [
        PLAIN,
        replace(PLAIN, one_hop=2.0),
        replace(PLAIN, one_hop=2.0, item_power=0.5, l2=0.3),
        replace(PLAIN, recency=0.8, l2=0.3),
        replace(PLAIN, one_hop=1.0, recency=0.8),
    ]
    values = []
    for one in tried:
        item_IR, history_IR = filter_vectors(found, one)
        seen_BI = history_matrix(aged(held.seen, one.recency)).toarray()
        weight_II = hop.weights(one.item_power, 99).toarray() * one.one_hop
        score_BI = (seen_BI @ history_IR @ item_IR.T + seen_BI @ weight_II).astype(np.float32)
        values += held.of_scores(lambda low, high, score_BI=score_BI: score_BI[low:high].copy())
    assert len(set(values)) == len(values)
    assert best_mixture(held, found, hop, tried[which : which + 1])[0] == pytest.approx(values[which])
    value, best = best_mixture(held, found, hop, tried)
    assert value == pytest.approx(max(values))
    assert best == tried[int(np.argmax(values))]


def test_no_more_users_than_a_block_holds_hop_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse_choice, "BLOCK", 7)
    asked: list[int] = []
    hops = OneHop.hops

    def watched(hop: OneHop, seen_BI: csr_matrix) -> csr_matrix:
        asked.append(seen_BI.shape[0])
        return hops(hop, seen_BI)

    monkeypatch.setattr(OneHop, "hops", watched)
    held = some_trial()
    found = spectrum(held.kept, 8, generator=np.random.default_rng(0))
    hop = OneHop.of(held.kept, user_power=0.7, history_power=0.4)
    best_mixture(held, found, hop, [replace(PLAIN, one_hop=2.0), replace(PLAIN, one_hop=2.0, recency=0.8)])
    assert max(asked) <= 7


def test_the_spectrum_alone_is_tried_at_all_ranks() -> None:
    held = some_trial()
    found = spectrum(held.kept, 8, generator=np.random.default_rng(0))
    hop = OneHop.of(held.kept, user_power=0.7, history_power=0.4)
    value, best = best_of_spectrum(held, found, [PLAIN, replace(PLAIN, exponent=0.2)], [2, 4, 8])
    every = [replace(PLAIN, rank=rank, exponent=exponent) for rank in (2, 4, 8) for exponent in (0.4, 0.2)]
    values = [best_mixture(held, found, hop, [one])[0] for one in every]
    assert value == pytest.approx(max(values))
    assert best in [one for one, its in zip(every, values, strict=True) if its == pytest.approx(value)]


@pytest.mark.parametrize("l2", [1e-300, 1e-50, 1e9])
def test_penalties_next_to_nothing_or_all_leave_components_without_values_out(l2: float) -> None:
    histories = Histories.from_arrays([0, 0, 1, 1, 2], [0, 1, 0, 1, 2], n_users=3, n_items=4)
    found = spectrum(histories, 3, generator=np.random.default_rng(0))
    assert found.value_R[2] < 1e-6
    value_R = found.value_R.astype(np.float64) ** 2
    wanted_IR = found.item_IR * np.sqrt((1 + l2) * value_R / (value_R + l2))
    item_IR, history_IR = filter_vectors(found, replace(PLAIN, exponent=0.0, l2=l2))
    np.testing.assert_allclose(item_IR[:3], wanted_IR[:3], rtol=1e-5, atol=1e-7)
    assert item_IR.dtype == history_IR.dtype == np.float32
