"""The k-core, against dropping one user or item at a time."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reccli.preparation.kcore import core_mask

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=40)


def literal_core(pairs: list[tuple[int, int]], least_user: int, least_item: int) -> list[tuple[int, int]]:
    while True:
        users, items = Counter(user for user, _ in pairs), Counter(item for _, item in pairs)
        short = [user for user in users if users[user] < least_user]
        if short:
            pairs = [pair for pair in pairs if pair[0] != short[0]]
            continue
        rare = [item for item in items if items[item] < least_item]
        if not rare:
            return pairs
        pairs = [pair for pair in pairs if pair[1] != rare[0]]


@given(PAIRS, st.integers(0, 4), st.integers(0, 4))
def test_equals_dropping_one_at_a_time(pairs: list[tuple[int, int]], least_user: int, least_item: int) -> None:
    user, item = np.array(pairs, np.uint32).reshape(-1, 2).T
    mask = core_mask(user, item, least_user=least_user, least_item=least_item)
    assert [pair for pair, kept in zip(pairs, mask, strict=True) if kept] == literal_core(pairs, least_user, least_item)


def test_a_chain_unravels() -> None:
    # user 0 alone is short; without it item 0 is short; without that user 1 is, and so on
    user = np.array([0, 1, 1, 2, 2], np.uint32)
    item = np.array([0, 0, 1, 1, 2], np.uint32)
    assert not core_mask(user, item, least_user=2, least_item=2).any()
