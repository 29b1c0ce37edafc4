from __future__ import annotations

import torch

from reccli.nn.pooling import pool, ragged, recency


def test_ragged_lists_every_bag() -> None:
    start_B, length_B = torch.tensor([4, 0, 9, 2]), torch.tensor([2, 0, 1, 3])
    index_H, begin_B = ragged(start_B, length_B)
    assert index_H.tolist() == [4, 5, 9, 2, 3, 4]
    assert begin_B.tolist() == [0, 2, 2, 3]


def test_pool_is_the_weighted_sum_with_its_gradients() -> None:
    table = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(5, dtype=torch.float64, requires_grad=True)
    item, begin = torch.tensor([1, 1, 5, 0, 2]), torch.tensor([0, 3, 3])
    pooled = pool(table, item, begin, weight)
    expected = torch.stack(
        [(weight[:3, None] * table[item[:3]]).sum(0), table[0] * 0, (weight[3:, None] * table[item[3:]]).sum(0)]
    )
    torch.testing.assert_close(pooled, expected)
    got = torch.autograd.grad(pooled.square().sum(), (table, weight))
    wanted = torch.autograd.grad(expected.square().sum(), (table, weight))
    torch.testing.assert_close(got, wanted)


def test_pool_of_nothing_is_zeros() -> None:
    nothing = pool(torch.randn(6, 3), torch.empty(0, dtype=torch.int64), torch.tensor([0, 0]), torch.empty(0))
    assert nothing.tolist() == [[0.0] * 3] * 2


def test_recency_falls_by_a_power() -> None:
    weight = recency(torch.tensor([0, 1, 3]), torch.tensor(2.0))
    torch.testing.assert_close(weight, torch.tensor([1.0, 1 / 4, 1 / 16]))
