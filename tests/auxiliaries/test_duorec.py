"""DuoRec against loops over pairs, and which rows are pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.api import Context, Histories, TrainingData
from reccli.auxiliaries.duorec import DuoRec
from reccli.testing import AuxiliaryConformance, checkerboard
from reccli.testing.inputs import batch_of


class TestDuoRec(AuxiliaryConformance):
    component = "duorec"


class TestFewUsers(AuxiliaryConformance):
    component = "duorec"
    settings = {"users": 4}


class TestOnSASRec(AuxiliaryConformance):
    component = "duorec"
    encoder = "sasrec"
    encoder_settings = {"dim": 8, "words": "no"}


class TestOnItemTokens(AuxiliaryConformance):
    component = "duorec"
    encoder = "item-tokens"
    encoder_settings = {"dim": 8, "start": "random"}


@pytest.mark.parametrize("ordered", [True, False])
def test_value_and_gradients_over_the_pairs_that_were_read(oracle, ordered: bool) -> None:
    data = checkerboard(users=8, items=8, ordered=ordered).data
    train = data.train
    encoder = oracle.Sums(8, ordered=ordered)
    task = DuoRec(DuoRec.Settings(temperature=0.4))
    task.setup(data, encoder, Context(seed=1))
    draws = task.draws.bit_generator.state
    got = task(encoder, batch_of(data))
    task.draws.bit_generator.state = draws
    rows = task._rows(batch_of(data))
    partners = task._partners(rows)
    assert sorted(train.user_E[rows].tolist()) == list(range(8))
    assert (train.item_E[rows] == train.item_E[partners]).all()
    assert (rows != partners).sum() > 5  # most items were met by several users
    views = []
    for row in [*rows, *partners]:
        user = int(train.user_E[row])
        low, high = int(train.offset_U1[user]), int(train.offset_U1[user + 1])
        total = torch.full((4,), 0.01, dtype=torch.float64)
        for place, other in enumerate(range(low, int(row) if ordered else high)):
            if other != row:
                total = total + encoder.table_ID[int(train.item_E[other])].roll(place if ordered else 0)
        views.append(total)
    item = train.item_E[rows]
    expected = oracle.among_all(views[:8], views[8:], 0.4, item[:, None] == item)
    assert (item[:, None] == item).sum() > 8  # some users of the batch have the same target
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(
        *(torch.autograd.grad(v, encoder.table_ID, retain_graph=True)[0] for v in (got, expected))
    )


def test_partners_are_drawn_evenly_and_a_lone_row_is_its_own(oracle) -> None:
    user, item = [0, 0, 1, 1, 2, 2, 3, 3], [0, 9, 1, 9, 2, 9, 3, 4]
    train = Histories.from_arrays(user, item, n_users=4, n_items=10, time_E=[0, 1] * 4)
    task = DuoRec()
    task.setup(TrainingData(train, ordered=True), oracle.Sums(10), Context(seed=2))
    partner = np.array([task._partners(np.array([1, 3, 5, 7])) for _ in range(400)])
    assert (partner[:, 3] == 7).all()  # nobody else met item 4
    for column, own in enumerate((1, 3, 5)):
        drawn, count = np.unique(partner[:, column], return_counts=True)
        assert drawn.tolist() == [row for row in (1, 3, 5) if row != own]
        assert count.min() > 150


def test_rows_with_nothing_before_them_are_left_out(oracle) -> None:
    train = Histories.from_arrays([0, 1, 1], [0, 0, 1], n_users=2, n_items=2, time_E=[0, 1, 2])
    data = TrainingData(train, ordered=True)
    encoder = oracle.Sums(2)
    task = DuoRec()
    task.setup(data, encoder, Context(seed=2))
    assert float(task(encoder, batch_of(data, [0, 1]))) == 0.0
    assert encoder.seen == []
    task(encoder, batch_of(data))
    assert encoder.seen == [[(0, 1.0)], [(0, 1.0)]]
