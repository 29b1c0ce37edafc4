"""Masks against sets of each user's items."""

from __future__ import annotations

from dataclasses import replace

import torch

from reccli.api import Negatives
from reccli.testing.inputs import batch_of, skewed_data
from reccli.training.masks import Masks, one_row_each


def known(data, user):
    return set(data.train.item_E[data.train.user_E == user].tolist())


def masks(data, **options):
    return Masks(data, mask_twins=False, **{"table": False, "negatives": True, **options})


def test_shared_and_own_negatives_of_rows():
    data = skewed_data()
    batch = batch_of(data, range(0, 60, 3))
    shared = replace(batch, negatives=Negatives(shared_N=torch.tensor([0, 5, 5, 29, 1])))
    own = replace(batch, negatives=Negatives(own_BN=torch.arange(20 * 4).reshape(20, 4) % 30))
    for given, codes in ((shared, lambda row: shared.negatives.shared_N), (own, lambda row: own.negatives.own_BN[row])):
        found = masks(data).of_rows(given)
        assert found.keys() == {"known_BN"}
        for row, user in enumerate(batch.user_B.tolist()):
            assert found["known_BN"][row].tolist() == [item in known(data, user) for item in codes(row).tolist()]


def test_a_table_and_negatives_get_a_mask_each():
    data = skewed_data()
    batch = replace(batch_of(data, range(10)), negatives=Negatives(shared_N=torch.tensor([0, 3])))
    found = masks(data, table=True).of_rows(batch)
    assert found.keys() == {"known_BI", "known_BN"}
    for row, (user, item) in enumerate(zip(batch.user_B.tolist(), batch.item_B.tolist(), strict=True)):
        assert set(found["known_BI"][row].nonzero().flatten().tolist()) == known(data, user) - {item}
    assert masks(data, table=True, negatives=False).of_rows(batch).keys() == {"known_BI"}


def test_groups_have_one_row_a_user():
    data = skewed_data()
    batch = replace(batch_of(data, range(12)), negatives=Negatives(shared_N=torch.arange(30)))
    user_G, place_B = torch.unique(batch.user_B, return_inverse=True)
    assert one_row_each(batch, place_B).user_B.tolist() == user_G.tolist()
    drawn_GN = masks(data).of_groups(batch, place_B)["known_GN"]
    table_GI = masks(data, table=True, negatives=False).of_groups(batch, place_B)["known_GN"]
    both = masks(data, table=True).of_groups(batch, place_B)
    assert torch.equal(both["known_GN"], drawn_GN)
    assert torch.equal(both["known_GI"], table_GI)
    for place, user in enumerate(user_G.tolist()):
        here = set(batch.item_B[batch.user_B == user].tolist())
        assert set(drawn_GN[place].nonzero().flatten().tolist()) == known(data, user)
        assert set(table_GI[place].nonzero().flatten().tolist()) == known(data, user) - here
