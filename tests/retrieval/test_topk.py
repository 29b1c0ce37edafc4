"""Exact top-k against a literal sort, ties and all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reccli.api import Histories
from reccli.errors import ConfigError, DamagedArtifactError
from reccli.retrieval import topk
from reccli.retrieval.topk import top_k


def brute_force(user_UD, item_ID, k, seen=None, allowed_I=None):
    score_UI = (np.asarray(user_UD, np.float64) @ np.asarray(item_ID, np.float64).T).astype(np.float32)
    item_UK = np.full((len(user_UD), k), -1)
    score_UK = np.full((len(user_UD), k), -np.inf, np.float32)
    for user, score_I in enumerate(score_UI):
        left_out = set() if seen is None else set(seen.rows([user]).item_E.tolist())
        ranking = sorted(
            (-score, item)
            for item, score in enumerate(score_I.tolist())
            if item not in left_out and (allowed_I is None or allowed_I[item])
        )
        for rank, (score, item) in enumerate(ranking[:k]):
            item_UK[user, rank], score_UK[user, rank] = item, -score
    return item_UK, score_UK


def whole_numbers(seed, *shape, high=3):
    return np.random.default_rng(seed).integers(-high, high + 1, shape).astype(np.float32)


def some_seen(seed, n_users, n_items, n_pairs):
    rng = np.random.default_rng(seed)
    return Histories.from_arrays(
        rng.integers(n_users, size=n_pairs), rng.integers(n_items, size=n_pairs), n_users=n_users, n_items=n_items
    )


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_users=st.integers(1, 7),
    n_items=st.integers(1, 150),
    dimension=st.integers(1, 3),
    k=st.integers(1, 8),
    share=st.sampled_from([0.0, 0.3, 0.97]),
    max_bytes=st.sampled_from([64, 4096, 40_000, topk.MAX_BYTES]),
    bar=st.booleans(),
)
def test_equals_a_sort_with_ties(seed, n_users, n_items, dimension, k, share, max_bytes, bar):
    user, item = whole_numbers(seed, n_users, dimension), whole_numbers(seed + 1, n_items, dimension)
    seen = some_seen(seed, n_users, n_items, int(share * n_users * n_items * 2))
    allowed = np.random.default_rng(seed).random(n_items) < 0.7 if bar else None
    got_item, got_score = top_k(user, item, k=k, seen=seen, allowed_I=allowed, max_bytes=max_bytes)
    want_item, want_score = brute_force(user, item, k, seen, allowed)
    np.testing.assert_array_equal(got_item, want_item)
    np.testing.assert_array_equal(got_score, want_score)
    assert (got_item.dtype, got_score.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("max_bytes", [20_000, topk.MAX_BYTES])
@pytest.mark.parametrize(("precision", "fewest", "most"), [("highest", 0, 20), ("high", 40, 40)])
def test_equals_a_sort_on_real_numbers(max_bytes, precision, fewest, most, monkeypatch):
    rng = np.random.default_rng(3)
    user, item = rng.normal(size=(40, 48)).astype(np.float32), rng.normal(size=(700, 48)).astype(np.float32)
    item[650:] = item[:50]  # equal vectors far apart: equal scores, whatever the matrix product makes of them
    seen = some_seen(4, 40, 700, 900)
    searched = []
    monkeypatch.setattr(topk, "exact_top_k", _counting(topk.exact_top_k, searched))
    # With products of low precision nothing is certain, and every row is searched again.
    monkeypatch.setattr(topk.torch, "get_float32_matmul_precision", lambda: precision)
    got_item, got_score = top_k(user, item, k=10, seen=seen, max_bytes=max_bytes)
    want_item, want_score = brute_force(user, item, 10, seen)
    np.testing.assert_array_equal(got_item, want_item)
    np.testing.assert_array_equal(got_score, want_score)
    assert fewest <= sum(searched) <= most


def _counting(function, rows):
    def counted(user_BD, user_B, *rest):
        rows.append(len(user_B))
        return function(user_BD, user_B, *rest)

    return counted


def test_many_ties_at_the_boundary_go_by_code():
    user, item = np.ones((3, 1), np.float32), np.ones((500, 1), np.float32)
    item[[400, 77]] = 2
    got_item, _ = top_k(user, item, k=5)
    np.testing.assert_array_equal(got_item, [[77, 400, 0, 1, 2]] * 3)


def test_a_user_without_taste_gets_the_first_codes():
    got_item, got_score = top_k(np.zeros((2, 4), np.float32), whole_numbers(1, 300, 4), k=4)
    np.testing.assert_array_equal(got_item, [[0, 1, 2, 3]] * 2)
    np.testing.assert_array_equal(got_score, np.zeros((2, 4)))


@pytest.mark.parametrize("max_bytes", [3000, topk.MAX_BYTES])
def test_prefix_property(max_bytes):
    user, item = whole_numbers(5, 30, 2), whole_numbers(6, 400, 2)
    seen = some_seen(7, 30, 400, 800)
    longest, _ = top_k(user, item, k=40, seen=seen, max_bytes=max_bytes)
    for k in (1, 2, 7, 20, 39):
        np.testing.assert_array_equal(top_k(user, item, k=k, seen=seen, max_bytes=max_bytes)[0], longest[:, :k])


def test_a_user_alone_gets_the_list_of_the_batch():
    rng = np.random.default_rng(8)
    user, item = rng.normal(size=(64, 96)).astype(np.float32), rng.normal(size=(2000, 96)).astype(np.float32)
    all_items, all_scores = top_k(user, item, k=10)
    for one in (0, 31, 63):
        items, scores = top_k(user[one : one + 1], item, k=10)
        np.testing.assert_array_equal(items[0], all_items[one])
        np.testing.assert_array_equal(scores[0], all_scores[one])


def test_fewer_candidates_than_k_are_padded():
    user, item = np.ones((2, 1), np.float32), np.arange(3, dtype=np.float32)[:, None]
    seen = Histories.from_arrays([1, 1, 1], [0, 1, 2], n_users=2, n_items=3)
    got_item, got_score = top_k(user, item, k=5, seen=seen)
    np.testing.assert_array_equal(got_item, [[2, 1, 0, -1, -1], [-1] * 5])
    assert np.isneginf(got_score[got_item < 0]).all()


def test_nobody_and_nothing():
    item = np.ones((3, 2), np.float32)
    assert top_k(np.empty((0, 2), np.float32), item, k=2)[0].shape == (0, 2)
    np.testing.assert_array_equal(top_k(item, np.empty((0, 2), np.float32), k=2)[0], [[-1, -1]] * 3)
    np.testing.assert_array_equal(top_k(item, item, k=1, allowed_I=np.zeros(3, bool))[0], [[-1]] * 3)


def test_takes_tensors_half_precision_and_read_only_arrays():
    user, item = whole_numbers(9, 5, 3), whole_numbers(10, 90, 3)
    want = brute_force(user, item, 4)[0]
    item.flags.writeable = False
    np.testing.assert_array_equal(top_k(user, item, k=4)[0], want)
    got, _ = top_k(torch.from_numpy(user).half().requires_grad_(), torch.from_numpy(item.copy()).bfloat16(), k=4)
    np.testing.assert_array_equal(got, want)


@pytest.mark.gpu
def test_the_gpu_finds_the_same():
    rng = np.random.default_rng(11)
    user, item = rng.normal(size=(64, 96)).astype(np.float32), rng.normal(size=(3000, 96)).astype(np.float32)
    for got, want in zip(top_k(user, item, k=10, device="cuda"), top_k(user, item, k=10), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("place", "what"), [("user", "user 1"), ("item", "item 1")])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused(place, what, value):
    vectors = {"user": np.ones((3, 2), np.float32), "item": np.ones((4, 2), np.float32)}
    vectors[place][1, 0] = value
    with pytest.raises(DamagedArtifactError, match=f"1 of . {place} vectors are not finite, the first one is {what}"):
        top_k(vectors["user"], vectors["item"], k=1)


def test_scores_that_overflow_are_refused():
    huge = np.full((2, 2), 1e30, np.float32)
    with pytest.raises(DamagedArtifactError, match="overflow"):
        top_k(huge, huge, k=1)


def test_vectors_of_two_lengths_are_refused():
    with pytest.raises(DamagedArtifactError, match="user vectors have 2 numbers, item vectors 3"):
        top_k(np.ones((1, 2), np.float32), np.ones((1, 3), np.float32), k=1)


def test_wrong_sizes_are_refused():
    user, item = np.ones((2, 2), np.float32), np.ones((3, 2), np.float32)
    with pytest.raises(ConfigError, match="k=0"):
        top_k(user, item, k=0)
    with pytest.raises(ValueError, match="mask of allowed items has 2 entries for 3 items"):
        top_k(user, item, k=1, allowed_I=np.ones(2, bool))
    with pytest.raises(ValueError, match="seen has 3 rows for 2 users"):
        top_k(user, item, k=1, seen=some_seen(1, 3, 3, 2))
    with pytest.raises(ValueError, match="catalogue of 4, the vectors of 3"):
        top_k(user, item, k=1, seen=some_seen(1, 2, 4, 2))


def test_memory_stays_within_a_few_blocks(monkeypatch):
    blocks = []
    real = torch.mm

    def watched(left, right, *, out):
        blocks.append(out.numel() * out.element_size())
        return real(left, right, out=out)

    monkeypatch.setattr(topk.torch, "mm", watched)
    top_k(whole_numbers(1, 400, 2), whole_numbers(2, 3000, 2), k=3, max_bytes=50_000)
    assert max(blocks) <= 50_000
    assert sum(blocks) >= 400 * 3000 * 4


@pytest.mark.parametrize(("ranked", "rows"), [(False, 20), (True, 100)])
def test_blocks_on_a_cpu_are_small_unless_ranks_ask_for_whole_rows(ranked, rows, monkeypatch):
    monkeypatch.setattr(topk, "CPU_BYTES", 20 * 4 * 3000)
    monkeypatch.setattr(topk, "FEWEST_ROWS", 20)
    heights = []
    real = torch.mm
    monkeypatch.setattr(topk.torch, "mm", lambda u, v, *, out: (heights.append(len(u)), real(u, v, out=out))[1])
    user, item = whole_numbers(1, 100, 2), whole_numbers(2, 3000, 2)
    pairs = some_seen(5, 100, 3000, 50) if ranked else None
    got = topk.search(user, item, k=3, pairs=pairs)
    assert heights == [rows] * (100 // rows)
    np.testing.assert_array_equal(got.item_UK, brute_force(user, item, 3)[0])
