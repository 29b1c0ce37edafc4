"""Attention over histories against a loop, and users by their texts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert

from reccli.api import Histories, TrainingData
from reccli.errors import DataError
from reccli.nn.text_pooling import interaction_weights
from reccli.nn.text_source import TextSource
from reccli.nn.text_users import AttendedHistories, UserTexts
from reccli.testing.inputs import batch_of

torch.set_num_threads(1)


def histories() -> Histories:
    rng = np.random.default_rng(0)
    user, item = np.repeat(np.arange(4), 5), rng.integers(0, 8, 20)
    item[0] = item[1]  # a repeated pair must leave as a whole
    return Histories.from_arrays(user, item, n_users=5, n_items=8, weight_E=rng.random(20) + 0.5, time_E=np.arange(20))


@pytest.mark.parametrize("learned", [False, True])
def test_attention(learned: bool) -> None:
    train, generator = histories(), torch.Generator().manual_seed(1)
    side = AttendedHistories(train, interaction_weights, 6, generator)
    if learned:
        with torch.no_grad():
            side.query_A.normal_(generator=generator)
    base_ID = torch.randn(8, 6, generator=generator)
    logit_I = [float(torch.tanh(base_ID[i] @ side.key_DA.detach()) @ side.query_A.detach()) for i in range(8)]
    count_I = [math.exp(3 * math.tanh(logit / 3)) for logit in logit_I]
    assert (max(count_I) > 1.1) == learned
    batch = batch_of(TrainingData(train), np.arange(20))
    rows, users = side.of_rows(batch, base_ID).detach(), side.of_histories(train, base_ID).detach()
    for user in range(5):
        entries = range(train.offset_U1[user], train.offset_U1[user + 1])
        for row in [None, *entries]:
            total, mass = torch.zeros(6), 0.0
            for e in entries:
                item = train.item_E[e]
                if row is None or item != train.item_E[row]:
                    weight = float(train.weight_E[e]) * count_I[item]
                    total, mass = total + weight * base_ID[item], mass + weight
            got = users[user] if row is None else rows[row]
            torch.testing.assert_close(got, total / mass if mass else total, atol=1e-4, rtol=1e-4)


def test_gradients_reach_the_attention() -> None:
    train, generator = histories(), torch.Generator().manual_seed(1)
    side = AttendedHistories(train, interaction_weights, 6, generator)
    side.of_rows(batch_of(TrainingData(train), np.arange(20)), torch.randn(8, 6, generator=generator))[
        :, 0
    ].sum().backward()
    assert side.query_A.grad is not None
    assert side.query_A.grad.abs().max() > 0
    assert side.query_A.grad.isfinite().all()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> TextSource:
    return TextSource(tiny_bert(tmp_path_factory.mktemp("m") / "tiny"))


TEXTS = ["likes space", "likes a wedding", "likes rocket", " ", "the garden"]


def test_texts_are_centred_and_start_from_the_regression_on_histories(source: TextSource) -> None:
    train = histories()
    base_ID = torch.randn(8, 16, generator=torch.Generator().manual_seed(2))
    told = torch.tensor([True, True, True, False, True])
    side = UserTexts(source, TEXTS, told, train, base_ID)
    raw = source.vectors(TEXTS).astype(float)
    centred = raw - raw[told.numpy()].mean(0)
    weights = train.to_scipy("weight").toarray().astype(float)
    mean = weights[:3] @ base_ID.double().numpy() / weights[:3].sum(1, keepdims=True)  # 3 has no text, 4 no history
    x = centred[:3]
    gram = x.T @ x
    expected = np.linalg.solve(gram + 0.03 * np.mean(np.diag(gram)) * np.eye(16), x.T @ mean)
    np.testing.assert_allclose(side.user_DD.detach().numpy(), expected, atol=2e-3)
    users = side.of_histories(train, base_ID).detach()
    assert users[3].abs().max() == 0
    assert users[4].abs().max() > 0
    rows = side.of_rows(batch_of(TrainingData(train), np.arange(20)), base_ID).detach()
    torch.testing.assert_close(rows, users[torch.from_numpy(train.user_E)])
    torch.testing.assert_close(side.encode(TEXTS[:2]).detach(), users[:2], atol=1e-5, rtol=1e-4)


def test_without_any_text_it_is_refused(source: TextSource) -> None:
    with pytest.raises(DataError, match="no user has a text") as caught:
        UserTexts(source, [""] * 5, torch.zeros(5).bool(), histories(), torch.zeros(8, 16))
    assert "--users" in str(caught.value.hint)
