"""Pooling of tokens and of histories, against loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.api import Histories
from reccli.nn.text_pooling import interaction_weights, mean_histories, pair_weights, pool_histories, pool_tokens

torch.set_num_threads(1)


@pytest.mark.parametrize("how", ["mean", "cls", "last"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_tokens(how: str, side: str) -> None:
    generator = torch.Generator().manual_seed(0)
    state_BLD = torch.randn(3, 5, 4, generator=generator)
    mask_BL = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]]).bool()
    mask_BL = mask_BL.flip(1) if side == "left" else mask_BL
    got = pool_tokens(state_BLD, mask_BL, how)
    for row in range(3):
        real = [state_BLD[row, place] for place in range(5) if mask_BL[row, place]]
        vector = {"cls": real[0], "last": real[-1], "mean": sum(real) / len(real)}[how]
        torch.testing.assert_close(got[row], vector / vector.norm())


@pytest.mark.parametrize("how", ["mean", "cls", "last"])
def test_no_token_at_all_is_a_zero(how: str) -> None:
    assert pool_tokens(torch.ones(1, 2, 3), torch.zeros(1, 2).bool(), how).abs().max() == 0


def histories() -> Histories:
    rng = np.random.default_rng(1)
    return Histories.from_arrays(
        rng.integers(0, 4, 30), rng.integers(0, 6, 30), n_users=5, n_items=6,
        weight_E=rng.random(30), time_E=rng.integers(0, 9, 30),
    )  # fmt: skip


@pytest.mark.parametrize(("recency", "longest"), [(0.0, 0), (0.5, 0), (1.0, 3)])
def test_weights_of_interactions(recency: float, longest: int) -> None:
    data = histories()
    got = interaction_weights(data, recency=recency, longest=longest)
    for user in range(5):
        begin, end = data.offset_U1[user], data.offset_U1[user + 1]
        for age, row in enumerate(range(end - 1, begin - 1, -1)):
            expected = 0.0 if longest and age >= longest else data.weight_E[row] * (1 + age) ** -recency
            assert got[row] == pytest.approx(expected, rel=1e-5)


def test_weights_of_pairs_add_up_repeats() -> None:
    data = histories()
    got = pair_weights(data, data.weight_E)
    repeats = 0
    for row in range(len(data)):
        same = (data.user_E == data.user_E[row]) & (data.item_E == data.item_E[row])
        repeats += int(same.sum() > 1)
        assert got[row] == pytest.approx(data.weight_E[same].sum(), rel=1e-5)
    assert repeats


def test_sums_of_histories() -> None:
    data = histories()
    table_ID = torch.randn(6, 3, generator=torch.Generator().manual_seed(2))
    got = pool_histories(data, data.weight_E, table_ID)
    for user in range(5):
        rows = range(data.offset_U1[user], data.offset_U1[user + 1])
        total = sum((table_ID[data.item_E[row]] * float(data.weight_E[row]) for row in rows), torch.zeros(3))
        torch.testing.assert_close(got[user], total)
    assert pool_histories(Histories.from_arrays([], [], n_users=2, n_items=6), np.zeros(0), table_ID).shape == (2, 3)


def test_means_of_histories_are_sums_over_weights_and_zero_for_nobody() -> None:
    histories = Histories.from_arrays([0, 0, 2], [1, 3, 0], n_users=4, n_items=4)
    table = torch.randn(4, 5, dtype=torch.float64)
    got = mean_histories(histories, np.array([1.0, 3.0, 0.0], np.float32), table)
    torch.testing.assert_close(got[0], (table[1] + 3 * table[3]) / 4)
    assert not got[1:].any()
