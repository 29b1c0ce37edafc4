"""The neighbours objective: its loss against a double loop, who is trained on, and what it learns."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from silent import Silent
from text_objective import TextObjectiveConformance

from reccli.api import Context, Histories
from reccli.errors import DataError
from reccli.objectives.neighbours import Neighbours, known_pairs, neighbour_loss
from reccli.testing.worlds import checkerboard
from reccli.training.loop import train
from reccli.training.pretraining import PretrainTask
from reccli.training.task import Plan


class TestNeighbours(TextObjectiveConformance):
    component = "neighbours"


def unit(rows: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(rows, 3, generator=generator, dtype=torch.float64), dim=1)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_the_loss_against_a_double_loop(temperature: float) -> None:
    first, second = [7, 2, 5, 7, 0], [2, 4, 6, 9, 5]
    related = {(7, 2), (2, 4), (5, 6), (7, 9), (0, 5), (7, 6)}
    related |= {(j, i) for i, j in related}
    key = np.array(sorted(i * 10 + j for i, j in related))
    known = known_pairs(np.array(first), np.array(second), key, 10)
    z, w = unit(5, 0), unit(5, 1)
    log_q = torch.randn(2, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    got = neighbour_loss(z, w, known, temperature, log_q)
    for b in range(5):
        there = back = 0.0
        for c in range(5):
            own = b == c
            if own or not ((first[b], second[c]) in related or second[c] in (first[b], second[b])):
                there += math.exp(float(z[b] @ w[c]) / temperature - float(log_q[1, c]))
            if own or not ((second[b], first[c]) in related or first[c] in (second[b], first[b])):
                back += math.exp(float(z[c] @ w[b]) / temperature - float(log_q[0, c]))
        score = float(z[b] @ w[b]) / temperature
        expected = -0.5 * math.log(math.exp(score - float(log_q[1, b])) / there)
        expected -= 0.5 * math.log(math.exp(score - float(log_q[0, b])) / back)
        assert float(got[b]) == pytest.approx(expected, rel=1e-9)
    assert int(known.sum()) > 2
    assert not known_pairs(np.array([1, 2]), np.array([3, 4]), np.zeros(0, np.int64), 10).any()


def world():
    return checkerboard(users=24, items=80, held_out=2).data


def ready(folder: Path, data=None, **settings) -> Neighbours:
    objective = Neighbours(Neighbours.Settings(path=str(folder), **settings))
    objective.setup(data or world(), Context(seed=1))
    return objective


def test_a_batch_costs_what_its_texts_cost_in_a_loop(folder: Path) -> None:
    objective = ready(folder, log_q=True).double().eval()
    objective.trunk.eval()
    first, second = objective.first_A[:6], objective.second_A[:6]
    got = objective.loss(torch.arange(6)).value_B.detach()
    assert got.dtype == torch.float64
    with torch.no_grad():
        z, w = objective.trunk(first), objective.trunk(second)
    related, log_q = set(objective.known.tolist()), objective.log_q_2T.double()
    texts = len(objective.trunk.texts)
    for b in range(6):
        expected = 0.0
        for own, other, u, v, correction in ((first, second, z, w, log_q[1]), (second, first, w, z, log_q[0])):
            scores = [float(u[b] @ v[c]) / 0.07 - float(correction[other[c]]) for c in range(6)]
            out = [own[b] * texts + other[c] in related or other[c] in (own[b], other[b]) for c in range(6)]
            total = sum(math.exp(scores[c]) for c in range(6) if c == b or not out[c])
            expected -= 0.5 * math.log(math.exp(scores[b]) / total)
        assert float(got[b]) == pytest.approx(expected, rel=1e-9)


def test_only_warm_texts_are_trained_on_and_held_out_ones_are_not(folder: Path) -> None:
    data = world()
    cold = data.train.item_E >= 60
    train_ = data.train
    data = replace(
        data,
        train=Histories.from_arrays(train_.user_E[~cold], train_.item_E[~cold], n_users=24, n_items=80),
    )
    objective = ready(folder, data)
    seen = set()
    for epoch in range(5):
        objective.begin_epoch(epoch)
        seen |= set(objective.first_A.tolist()) | set(objective.second_A.tolist())
    items = {item for item in range(80) if objective.trunk.text_I[item] in seen}
    assert items
    assert max(items) < 60
    assert not seen & set(objective.trunk.held_T.tolist())
    held, partner = objective.held_pairs
    assert set(held.tolist()) <= set(objective.trunk.held_T.tolist())
    assert not set(partner.tolist()) & set(objective.trunk.held_T.tolist())


def test_corrections_are_the_chances_of_being_drawn(folder: Path) -> None:
    objective = ready(folder, popularity=1.0, log_q=True)
    first, second = [], []
    for epoch in range(300):
        generator = np.random.default_rng(epoch)
        first.append(generator.choice(objective.anchor_A, 20, p=objective.chance_A))
        second.append(objective.graph.draw(first[-1], generator))
    for drawn, log_q in zip((first, second), objective.log_q_2T, strict=True):
        share = np.bincount(np.concatenate(drawn), minlength=len(objective.trunk.texts)) / 6000
        np.testing.assert_allclose(share, log_q.exp().numpy(), atol=0.006)
    assert objective.log_q_2T.exp().sum(1).tolist() == pytest.approx([1, 1], abs=0.01)
    assert not ready(folder).log_q_2T.any()


def test_pairs_are_of_one_taste_and_follow_from_the_epoch_alone(folder: Path) -> None:
    objective = ready(folder)
    taste = {int(text): item % 2 for item, text in enumerate(objective.trunk.text_I)}
    assert all(taste[a] == taste[b] for a, b in zip(objective.first_A, objective.second_A, strict=True))
    objective.begin_epoch(1)
    one = objective.second_A
    objective.begin_epoch(2)
    assert not np.array_equal(one, objective.second_A)
    objective.begin_epoch(1)
    np.testing.assert_array_equal(one, objective.second_A)
    assert ready(folder, most=5).n_rows == 5


def test_training_brings_texts_of_one_taste_together(folder: Path) -> None:
    objective = ready(folder, checkerboard(users=24, items=160, tastes=4, held_out=2).data, train="all")

    def gap() -> float:
        vector = objective.trunk.text_vectors()[objective.trunk.text_I]
        cosine, same = vector @ vector.T, np.subtract.outer(np.arange(160), np.arange(160)) % 4 == 0
        return float(cosine[same].mean() - cosine[~same].mean())

    before = gap()
    task = PretrainTask(objective, Context(seed=1), batch_size=16)
    outcome = train(task, Plan(epochs=3, batch_size=16, learning_rate=2e-3, seed=3), Silent())
    assert outcome.best_value < outcome.first_value
    assert gap() > before + 0.1
    assert objective.held_out() == objective.held_out()


def test_data_in_which_nobody_meets_two_items_is_refused(folder: Path) -> None:
    data = replace(world(), train=Histories.from_arrays(range(24), range(24), n_users=24, n_items=80))
    with pytest.raises(DataError, match="no two items with texts share a user"):
        ready(folder, data)
