"""Tastes of users: against a literal posterior, with rows that know nothing of their own rating."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.api import Batch, Histories
from reccli.nn import rating_tastes
from reccli.nn.rating_tastes import NOISE, RatingTastes

torch.set_num_threads(1)
USERS, ITEMS, SIZE = 30, 40, 5


def world(seed: int = 0) -> tuple[torch.Tensor, Histories]:
    """Ratings from tastes over features that are known, with little noise."""
    rng = np.random.default_rng(seed)
    feature_IF = rng.standard_normal((ITEMS, SIZE)).astype(np.float32)
    feature_IF[:, 0] = 0.5
    taste_UF = rng.standard_normal((USERS, SIZE)) + np.array([0, 2.0, 0, 0, 0])
    user_E, item_E = np.nonzero(rng.random((USERS, ITEMS)) < 0.4)
    value_E = 3 + (taste_UF[user_E] * feature_IF[item_E]).sum(1) + 0.1 * rng.standard_normal(len(user_E))
    train = Histories.from_arrays(user_E, item_E, value_E=value_E, n_users=USERS, n_items=ITEMS)
    return torch.from_numpy(feature_IF), train


def fitted(feature_IF: torch.Tensor, train: Histories) -> RatingTastes:
    tastes = RatingTastes(train)
    tastes.fit(feature_IF, np.random.default_rng(1))
    return tastes


def literal(tastes: RatingTastes, feature_IF: torch.Tensor, item_n: np.ndarray, value_n: np.ndarray) -> np.ndarray:
    """Predict all items for a user of some ratings: the textbook posterior, in the features as they were given."""
    factor = tastes.factor_FF.double().numpy()
    prior, mean = factor @ factor.T, factor @ tastes.mean_F.double().numpy()
    row = feature_IF.double().numpy()[item_n]
    spread, centre, bias = float(tastes.spread), float(tastes.centre), tastes.bias_I.double().numpy()
    wanted = (value_n - centre - bias[item_n]) / spread - row @ mean
    weight = mean + prior @ row.T @ np.linalg.solve(row @ prior @ row.T + NOISE * np.eye(len(row)), wanted)
    return np.asarray(spread * feature_IF.double().numpy() @ weight + bias)


def test_users_are_the_posterior_means_of_their_histories() -> None:
    feature_IF, train = world()
    tastes = fitted(feature_IF, train)
    user_UF, item_IF = tastes.of_histories(train), tastes.of_items(torch.arange(ITEMS))
    for user in (0, 7, 29):
        low, high = train.offset_U1[user], train.offset_U1[user + 1]
        slow_I = literal(tastes, feature_IF, train.item_E[low:high], train.value_E[low:high])
        np.testing.assert_allclose((item_IF @ user_UF[user]).numpy(), slow_I, atol=1e-4)


@pytest.mark.parametrize("kept", [0, 1 << 20])
def test_rows_know_their_other_ratings_alone(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rating_tastes, "MOST_KEPT", kept)
    feature_IF, train = world()
    tastes = fitted(feature_IF, train)
    row_B = torch.tensor([9, 2, 200, 3])
    user_B, item_B = torch.from_numpy(train.user_E)[row_B], torch.from_numpy(train.item_E)[row_B]
    found_BF = tastes.of_rows(Batch(row_B, user_B, item_B, torch.ones(4), torch.ones(4)))
    for place, row in enumerate(row_B.tolist()):
        others_n = np.flatnonzero((train.user_E == train.user_E[row]) & (np.arange(len(train)) != row))
        slow_I = literal(tastes, feature_IF, train.item_E[others_n], train.value_E[others_n])
        got_I = (tastes.of_items(torch.arange(ITEMS)) @ found_BF[place]).numpy()
        np.testing.assert_allclose(got_I, slow_I, atol=1e-4)


def test_the_prior_learns_what_users_share_and_nobody_s_items_get_it() -> None:
    feature_IF, train = world()
    tastes = fitted(feature_IF, train)
    told_N = (
        tastes.of_features(feature_IF) @ tastes.of_histories(Histories.from_arrays([], [], n_users=1, n_items=ITEMS))[0]
    )
    assert np.corrcoef(told_N.numpy(), feature_IF[:, 1].numpy())[0, 1] > 0.8  # all like the second feature
    one_round = float((train.value_E - train.value_E.mean()).std())
    assert tastes.fit(feature_IF, np.random.default_rng(1)) < 0.5 * one_round


def test_without_a_fit_there_is_a_bias_of_zero() -> None:
    _, train = world()
    tastes = RatingTastes(train)
    assert not tastes.fitted
    assert tastes.of_histories(train).tolist() == [[1.0]] * USERS
    assert tastes.of_items(torch.tensor([3, 4])).tolist() == [[0.0]] * 2
    assert tastes.of_features(torch.zeros(2, 0)).shape == (2, 1)
