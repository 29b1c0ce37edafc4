"""What each row sees of its user's history, against loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.api import Context, Histories, TrainingData
from reccli.nn.history_bags import HistoryBags
from reccli.testing.inputs import batch_of


def data(task: str = "ranking") -> TrainingData:
    rng = np.random.default_rng(0)
    train = Histories.from_arrays(
        np.repeat(np.arange(4), 6), rng.integers(0, 9, 24), n_users=5, n_items=9,
        value_E=rng.integers(1, 6, 24), weight_E=rng.random(24) + 0.5, time_E=np.arange(24),
    )  # fmt: skip
    return TrainingData(train, ordered=True, task=task)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.4])
@pytest.mark.parametrize("task", ["ranking", "rating"])
def test_rows(causal: bool, share: float, task: str) -> None:
    given = data(task)
    train = given.train
    bags = HistoryBags(given, Context(seed=2), causal=causal, share=share, window=3)
    bags.begin_epoch(1)
    table_ID = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    hidden_E = np.zeros(24, bool) if bags.hidden_E is None else bags.hidden_E.numpy()
    assert hidden_E.any() == (share > 0)
    weight_E = train.weight_E.astype(float)
    if task == "rating":
        weight_E = weight_E * (train.value_E - train.value_E.mean()) / train.value_E.std()
    batch = batch_of(given, np.arange(24))
    got = bags.of_rows(batch).mean(table_ID, table_ID[batch.item_B]).detach()
    for row in range(24):
        begin, end = train.offset_U1[train.user_E[row]], train.offset_U1[train.user_E[row] + 1]
        seen = range(max(begin, row - 3), row) if causal else [e for e in range(begin, end) if e != row]
        total, mass = torch.zeros(4), 0.0
        for e in seen:
            if not hidden_E[e]:
                weight = weight_E[e] * ((row - e) ** -0.5 if causal else 1.0)
                total, mass = total + weight * table_ID[train.item_E[e]], mass + abs(weight)
        torch.testing.assert_close(got[row], (total / mass if mass else total).float(), atol=1e-4, rtol=1e-4)
    assert (bags.rows_of_epoch() is None) == (causal or share == 0)


@pytest.mark.parametrize("causal", [True, False])
def test_users(causal: bool) -> None:
    given = data()
    bags = HistoryBags(given, Context(), causal=causal, share=0.5, window=4)
    table_ID = torch.eye(9)
    found = bags.of_users(given.train)
    got = found.mean(table_ID).detach()
    for user in range(5):
        begin, end = given.train.offset_U1[user], given.train.offset_U1[user + 1]
        entries = range(max(begin, end - 4), end) if causal else range(begin, end)
        total = torch.zeros(9)
        for e in entries:
            weight = float(given.train.weight_E[e]) * ((end - e) ** -0.5 if causal else 1.0)
            total[given.train.item_E[e]] += weight
        torch.testing.assert_close(got[user], total / total.sum() if len(entries) else total)
    assert found.known_B1.flatten().tolist() == [True] * 4 + [False]


def test_what_is_hidden_follows_from_the_epoch_alone() -> None:
    one, two = (HistoryBags(data(), Context(seed=1), causal=False, share=0.5, window=1) for _ in range(2))
    one.begin_epoch(1)
    first = one.hidden_E
    one.begin_epoch(2)
    two.begin_epoch(2)
    assert one.hidden_E is not None
    assert two.hidden_E is not None
    assert torch.equal(one.hidden_E, two.hidden_E)
    assert first is not None
    assert not torch.equal(first, one.hidden_E)
    one.eval()
    assert one._shown(torch.arange(5)).tolist() == [1.0] * 5


def test_users_are_hidden_in_part_in_training_alone_and_where_asked() -> None:
    given = data()
    bags = HistoryBags(given, Context(), causal=False, share=0.5, window=4)
    whole = bags.eval().of_users(given.train, hiding=True).weight_H
    assert torch.equal(whole, bags.train().of_users(given.train).weight_H)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first, second = (bags.of_users(given.train, hiding=True) for _ in range(2))
    for found in (first, second):
        kept_H = found.weight_H > 0
        assert 4 < int(kept_H.sum()) < 20
        assert torch.equal(found.weight_H[kept_H], whole[kept_H])
        torch.testing.assert_close(found.mass_B[:4], found.weight_H.view(4, 6).sum(1))
    assert not torch.equal(first.weight_H, second.weight_H)
