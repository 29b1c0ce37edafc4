from __future__ import annotations

import torch

from reccli.training.batching import grouped_batches, row_batches

LENGTHS = torch.tensor([3, 0, 5, 1, 2, 9, 0, 4])
OFFSET = torch.cat([torch.zeros(1, dtype=torch.int64), LENGTHS.cumsum(0)])
USER = torch.repeat_interleave(torch.arange(len(LENGTHS)), LENGTHS)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_rows_come_once_each_in_another_order_each_time() -> None:
    first, second = (torch.cat(row_batches(torch.arange(10), 4, generator(seed))) for seed in (0, 1))
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(10))
    assert first.tolist() != second.tolist()


def test_grouped_rows_come_once_each_side_by_side() -> None:
    batches = grouped_batches(OFFSET, 6, generator())
    rows = torch.cat(batches)
    assert rows.sort().values.tolist() == list(range(int(OFFSET[-1])))
    users = USER[rows].tolist()
    assert len([u for u, before in zip(users, [None, *users], strict=False) if u != before]) == len(set(users))
    owners = [set(USER[batch].tolist()) for batch in batches]
    assert sum(len(owner) for owner in owners) == len(set().union(*owners)), "a user is in two batches"


def test_grouped_batches_are_of_about_one_size() -> None:
    offset = torch.arange(0, 3001, 3)
    sizes = [len(batch) for batch in grouped_batches(offset, 64, generator())]
    assert all(abs(size - 64) <= 3 for size in sizes[:-1])


def test_most_draws_that_many_rows_of_each_user() -> None:
    rows = torch.cat(grouped_batches(OFFSET, 6, generator(), most=2))
    counts = torch.bincount(USER[rows], minlength=len(LENGTHS))
    assert counts.tolist() == LENGTHS.clamp_max(2).tolist()
    other = torch.cat(grouped_batches(OFFSET, 6, generator(1), most=2))
    assert set(rows.tolist()) != set(other.tolist())


def test_nothing_gives_nothing() -> None:
    assert grouped_batches(torch.zeros(4, dtype=torch.int64), 6, generator()) == []
    assert row_batches(torch.arange(0), 4, generator()) == []
