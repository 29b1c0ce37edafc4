"""Per-user scores from lists and held-out interactions."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reccli.api import Histories, RankingMetric
from reccli.errors import ConfigError, PluginError
from reccli.evaluation import ranking
from reccli.evaluation.ranking import distinct, evaluate_catalogue, evaluate_ranking, hit_matrix
from reccli.registry import create


def histories(pairs, n_users, n_items):
    user, item = zip(*pairs, strict=True) if pairs else ((), ())
    return Histories.from_arrays(user, item, n_users=n_users, n_items=n_items)


HELD = histories([(0, 4), (0, 4), (0, 2), (2, 1)], 4, 6)
LISTS = np.array([[4, 3, 2], [4, 3, 2], [5, -1, -1], [-1, -1, -1]])


def test_hits():
    np.testing.assert_array_equal(hit_matrix(LISTS, HELD), [[True, False, True], [False] * 3, [False] * 3, [False] * 3])


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), step=st.sampled_from([1, 5, 4_000_000]))
def test_hits_equal_set_membership(seed, step):
    rng = np.random.default_rng(seed)
    n_users, n_items, k, n = (int(rng.integers(low, 9)) for low in (1, 1, 1, 0))
    item_UK = rng.integers(-1, n_items, (n_users, k))
    held = Histories.from_arrays(
        rng.integers(n_users, size=n), rng.integers(n_items, size=n), n_users=n_users, n_items=n_items
    )
    want = [[item in set(held.rows([u]).item_E.tolist()) for item in row] for u, row in enumerate(item_UK.tolist())]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "BLOCK_CELLS", step)
        np.testing.assert_array_equal(hit_matrix(item_UK, held), want)


def test_distinct_drops_repeats():
    once = distinct(HELD)
    np.testing.assert_array_equal(once.user_E, [0, 0, 2])
    np.testing.assert_array_equal(once.item_E, [2, 4, 1])


def test_users_without_held_out_items_are_not_evaluated():
    scores = evaluate_ranking(LISTS, HELD, {"recall": create("metric", "recall")}, [1, 3])
    np.testing.assert_array_equal(scores.user_V, [0, 2])
    np.testing.assert_array_equal(scores.n_relevant_V, [2, 1])
    assert scores.names_M == (("recall", 1), ("recall", 3))
    np.testing.assert_array_equal(scores.value_VM, [[0.5, 1.0], [0.0, 0.0]])
    assert scores.mean("recall", 3) == 0.5


def test_nobody_held_out_is_nobody_evaluated():
    scores = evaluate_ranking(LISTS, histories([], 4, 6), {"ndcg": create("metric", "ndcg")}, [2])
    assert scores.value_VM.shape == (0, 1)
    assert math.isnan(scores.mean("ndcg", 2))
    assert scores.frame().height == 0


def test_frame_is_long_and_leaves_undefined_values_out():
    scores = evaluate_ranking(LISTS, HELD, {"hit": create("metric", "hit")}, [3])
    scores = scores.with_column("auc", np.array([0.75, np.nan, np.nan, 1.0]))
    want = pl.DataFrame(
        {"user": [0, 2, 0], "metric": ["hit", "hit", "auc"], "k": [3, 3, None], "value": [1.0, 0.0, 0.75]},
        schema={"user": pl.UInt32, "metric": pl.String, "k": pl.UInt32, "value": pl.Float64},
    )
    assert scores.frame().equals(want)
    assert scores.mean("auc", None) == 0.75
    assert scores.only(np.array([False, True, True, True])).user_V.tolist() == [2]


@pytest.mark.parametrize("k", [0, 4])
def test_cut_offs_beyond_the_lists_are_refused(k):
    with pytest.raises(ConfigError, match=f"k={k}: lists have 3 ranks, so k is 1 to 3"):
        evaluate_ranking(LISTS, HELD, {}, [k])


def test_lists_of_other_users_are_refused():
    with pytest.raises(ValueError, match="3 lists for 4 users"):
        hit_matrix(LISTS[:3], HELD)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (np.zeros(3), r"returned float64\(3,\), expected float64\(2,\)"),
        (np.zeros(2, np.float32), r"returned float32\(2,\)"),
        (0.5, "returned float, expected"),
        (np.array([0.5, np.nan]), "returned a value that is not finite"),
    ],
)
def test_a_metric_that_breaks_its_contract_is_named(returned, message):
    class Broken(RankingMetric):
        def per_user(self, hit_UK, n_relevant_U, k):
            return returned

    with pytest.raises(PluginError, match="metric 'broken' " + message):
        evaluate_ranking(LISTS, HELD, {"broken": Broken()}, [1])


def test_catalogue():
    train = histories([(0, 0), (1, 0), (1, 3)], 4, 6)
    metrics = {name: create("metric", name) for name in ("item-coverage", "novelty")}
    got = evaluate_catalogue(LISTS, train, metrics, [1, 3])
    assert got.schema == {"metric": pl.String, "k": pl.UInt32, "value": pl.Float64, "n": pl.UInt64}
    assert got["n"].to_list() == [3] * 4
    assert got["value"].to_list() == pytest.approx([2 / 6, 4 / 6, 1.0, 1.0])
