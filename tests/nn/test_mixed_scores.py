"""Mixed scores: deviations and sums against the scores themselves, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.nn.mixed_scores import Deviations, mixed_users


def drawn(*shape: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def test_deviations_are_those_of_the_scores() -> None:
    item_ID, user_UD = drawn(9, 4, seed=1), drawn(5, 4, seed=2)
    wanted_U = np.std((user_UD @ item_ID.T).numpy(), axis=1)
    np.testing.assert_allclose(Deviations(item_ID)(user_UD), wanted_U, rtol=1e-10)


def test_products_rank_as_the_weighted_sum_of_normalised_scores() -> None:
    items = [100 * drawn(9, 4, seed=1) + 7, drawn(9, 3, seed=3)]
    users = [drawn(5, 4, seed=2), drawn(5, 3, seed=4)]
    mixed_US = mixed_users([(users[0], Deviations(items[0]), 0.25), (users[1], Deviations(items[1]), 0.75)])
    got_UI = (mixed_US @ torch.cat(items, dim=1).T).numpy()
    wanted_UI = np.zeros((5, 9))
    for user_UD, item_ID, weight in zip(users, items, (0.25, 0.75), strict=True):
        score_UI = (user_UD @ item_ID.T).numpy()
        wanted_UI += weight * (score_UI - score_UI.mean(1, keepdims=True)) / score_UI.std(1, keepdims=True)
    np.testing.assert_allclose(got_UI - got_UI.mean(1, keepdims=True), wanted_UI, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_rounding_is_no_deviation(seed: int) -> None:
    """Users whose scores are all the same, but for the last digits of float32, in a space turned at random."""
    turn_DD = torch.linalg.qr(drawn(40, 40, seed=seed)).Q
    item_ID = torch.cat([torch.full((300, 1), 3.7, dtype=torch.float64), drawn(300, 39, seed=seed + 9)], dim=1)
    lengths_U1 = torch.linspace(1.0, 10.0, 64, dtype=torch.float64)[:, None]
    flat_UD = torch.cat([lengths_U1, torch.zeros(64, 39, dtype=torch.float64)], dim=1)
    slight_UD = flat_UD + 1e-4 * torch.cat(
        [torch.zeros(64, 1, dtype=torch.float64), drawn(64, 39, seed=seed + 5)], dim=1
    )
    item_ID, flat_UD, slight_UD = ((part_RD @ turn_DD).float() for part_RD in (item_ID, flat_UD, slight_UD))
    deviations = Deviations(item_ID)
    assert not mixed_users([(flat_UD, deviations, 0.5)]).any()
    wanted_U = (slight_UD.double() @ item_ID.double().T).std(dim=1, correction=0)
    np.testing.assert_allclose(deviations(slight_UD), wanted_U, rtol=2e-3)
    assert not Deviations(item_ID[:1].expand(300, -1).contiguous())(slight_UD).any()


def test_scores_that_are_all_the_same_add_nothing() -> None:
    item_ID, user_UD = drawn(9, 4, seed=1), torch.zeros(5, 4, dtype=torch.float64)
    mixed_UD = mixed_users([(user_UD, Deviations(item_ID), 0.5)])
    assert not mixed_UD.any()
    assert not mixed_users([(user_UD, Deviations(item_ID[:0]), 0.5)]).any()
