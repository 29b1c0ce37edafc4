"""The table of a ranking evaluation, its slices, and the comparison of two runs."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from reccli.api import Histories
from reccli.evaluation.ranking import evaluate_ranking
from reccli.evaluation.summary import compare, slice_scores, summarise
from reccli.registry import create

METRICS = {"recall": create("metric", "recall"), "ndcg": create("metric", "ndcg")}
# Users: 0 cold, 1 short (one training item), 2 long. Items: 3 cold, 0 head, 1 and 2 tail.
TRAIN = Histories.from_arrays([1, 2, 2, 2], [0, 0, 1, 2], n_users=3, n_items=4)
HELD = Histories.from_arrays([0, 0, 1, 2], [0, 3, 1, 3], n_users=3, n_items=4)
LISTS = np.array([[0, 1], [1, 2], [0, 3]])


def table(**options):
    scores = evaluate_ranking(LISTS, HELD, METRICS, [1, 2])
    by_slice = slice_scores(scores, LISTS, HELD, TRAIN, METRICS, [1, 2])
    return summarise(by_slice, generator=np.random.default_rng(0), n_resamples=50, **options)


def test_slices_and_their_values():
    recall = table().filter(metric="recall", k=2).select("slice", "value", "n").rows()
    assert recall == [
        ("all", pytest.approx((1 / 2 + 1 + 1) / 3), 3),
        ("cold-users", 0.5, 1),
        ("short-users", 1.0, 1),
        ("long-users", 1.0, 1),
        ("cold-items", 0.5, 2),
        ("tail-items", 1.0, 1),
        ("head-items", 1.0, 1),
    ]


def test_every_metric_and_k_of_a_slice_is_there_with_its_interval():
    got = table()
    assert got.schema["k"] == pl.UInt32
    assert got.schema["n"] == pl.UInt64
    assert got.filter(slice="all").select("metric", "k").rows() == [
        ("recall", 1), ("recall", 2), ("ndcg", 1), ("ndcg", 2)
    ]  # fmt: skip
    assert got.filter((pl.col("n") == 1) & pl.col("low").is_not_null()).height == 0
    with_interval = got.filter(pl.col("n") > 1)
    assert with_interval.height == 8
    assert with_interval.filter(pl.col("low") <= pl.col("value"), pl.col("value") <= pl.col("high")).height == 8


def test_a_metric_of_the_whole_ranking_is_on_user_slices_alone():
    scores = evaluate_ranking(LISTS, HELD, METRICS, [1]).with_column("auc", np.array([0.5, 1.0, 0.75]))
    by_slice = slice_scores(scores, LISTS, HELD, TRAIN, METRICS, [1])
    got = summarise(by_slice, generator=np.random.default_rng(0)).filter(metric="auc")
    assert got.select("slice", "k", "value").rows() == [
        ("all", None, 0.75), ("cold-users", None, 0.5), ("short-users", None, 1.0), ("long-users", None, 0.75)
    ]  # fmt: skip


def test_compare_is_over_common_users_and_metrics():
    one = evaluate_ranking(LISTS, HELD, METRICS, [2])
    fewer = Histories.from_arrays([1, 2], [1, 3], n_users=3, n_items=4)
    other = evaluate_ranking(LISTS[:, ::-1], fewer, {"ndcg": METRICS["ndcg"]}, [1, 2])
    got = compare(one, other, generator=np.random.default_rng(0), n_resamples=100)
    half = 1 / np.log2(3)
    assert got.select("metric", "k", "n").rows() == [("ndcg", 2, 2)]
    # User 1: first rank against second; user 2: the other way round.
    assert got["difference"][0] == pytest.approx(0)
    assert (got["low"][0], got["high"][0]) == (pytest.approx(half - 1), pytest.approx(1 - half))
    assert got["real"].to_list() == [False]
