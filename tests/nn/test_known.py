from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.api import Histories
from reccli.nn.known import KnownPositives


@pytest.fixture
def histories() -> Histories:
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((7, 12)) < 0.4)
    user, item = user[user != 3], item[user != 3]  # one without a history
    return Histories.from_arrays(user, item, n_users=7, n_items=12)


def pairs(histories: Histories) -> set[tuple[int, int]]:
    return set(zip(histories.user_E.tolist(), histories.item_E.tolist(), strict=True))


USER_B = torch.tensor([5, 0, 3, 5, 6])


def test_shared_is_membership(histories: Histories) -> None:
    item_N = torch.tensor([4, 0, 4, 11, 7, 2])
    known = pairs(histories)
    expected = [[(u, i) in known for i in item_N.tolist()] for u in USER_B.tolist()]
    assert KnownPositives(histories).shared(USER_B, item_N).tolist() == expected


def test_own_is_membership(histories: Histories) -> None:
    item_BN = torch.randint(0, 12, (5, 8), generator=torch.Generator().manual_seed(1))
    known = pairs(histories)
    expected = [[(u, i) in known for i in row] for u, row in zip(USER_B.tolist(), item_BN.tolist(), strict=True)]
    assert KnownPositives(histories).own(USER_B, item_BN).tolist() == expected


def test_table_leaves_the_own_positive_out(histories: Histories) -> None:
    item_B = torch.tensor([1, 2, 3, 4, 5])
    known = pairs(histories)
    expected = [
        [(u, i) in known and i != own for i in range(12)]
        for u, own in zip(USER_B.tolist(), item_B.tolist(), strict=True)
    ]
    assert KnownPositives(histories).table(USER_B, item_B).tolist() == expected


def test_nothing_known() -> None:
    empty = KnownPositives(Histories.from_arrays([], [], n_users=7, n_items=12))
    assert not empty.shared(USER_B, torch.tensor([1, 2])).any()
    assert not empty.own(USER_B, torch.ones(5, 2, dtype=torch.int64)).any()
