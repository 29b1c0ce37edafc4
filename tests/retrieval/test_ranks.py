"""Places in the full ranking against literal counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reccli.api import Histories
from reccli.retrieval.topk import rank_of, search, top_k


def count_literally(score_UI, pairs, seen, allowed_I):
    above, tied, candidates = [], [], []
    for user, score_I in enumerate(score_UI):
        left_out = set(seen.rows([user]).item_E.tolist())
        kept = [item for item in range(len(score_I)) if allowed_I[item] and item not in left_out]
        candidates.append(len(kept))
        for item in pairs.rows([user]).item_E.tolist():
            known = item in kept
            above.append(sum(score_I[other] > score_I[item] for other in kept) if known else -1)
            tied.append(sum(score_I[other] == score_I[item] for other in kept if other != item) if known else -1)
    return above, tied, candidates


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_users=st.integers(1, 6),
    n_items=st.integers(1, 40),
    max_bytes=st.sampled_from([8, 500, 1 << 20]),
)
def test_equals_counting(seed, n_users, n_items, max_bytes):
    rng = np.random.default_rng(seed)
    user = rng.integers(-2, 3, (n_users, 2)).astype(np.float32)
    item = rng.integers(-2, 3, (n_items, 2)).astype(np.float32)
    pairs, seen = (
        Histories.from_arrays(
            rng.integers(n_users, size=n), rng.integers(n_items, size=n), n_users=n_users, n_items=n_items
        )
        for n in rng.integers(0, n_users * n_items + 1, 2)
    )
    allowed = rng.random(n_items) < 0.8
    ranks = rank_of(user, item, pairs, seen=seen, allowed_I=allowed, max_bytes=max_bytes)
    above, tied, candidates = count_literally(user @ item.T, pairs, seen, allowed)
    np.testing.assert_array_equal(ranks.above_E, above)
    np.testing.assert_array_equal(ranks.tied_E, tied)
    np.testing.assert_array_equal(ranks.candidates_U, candidates)


def test_ranks_and_lists_of_one_search_agree():
    rng = np.random.default_rng(1)
    user, item = rng.normal(size=(20, 8)).astype(np.float32), rng.normal(size=(300, 8)).astype(np.float32)
    listed, _ = top_k(user, item, k=5)
    pairs = Histories.from_arrays(np.repeat(np.arange(20), 5), listed.ravel(), n_users=20, n_items=300)
    found = search(user, item, k=5, pairs=pairs)
    np.testing.assert_array_equal(found.item_UK, listed)
    np.testing.assert_array_equal(np.sort(found.ranks.above_E.reshape(20, 5)), [range(5)] * 20)


def test_pairs_of_other_users_are_refused():
    pairs = Histories.from_arrays([0], [0], n_users=3, n_items=1)
    with pytest.raises(ValueError, match="pairs has 3 rows for 2 users"):
        rank_of(np.ones((2, 1), np.float32), np.ones((1, 1), np.float32), pairs)
