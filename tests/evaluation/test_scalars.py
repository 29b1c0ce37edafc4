"""Numbers over rows, with intervals from resampling users."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from reccli.errors import PluginError
from reccli.evaluation.scalars import refuse_not_finite, scalar_frame
from reccli.registry import create


def frame(truth, guess, user, names=("mae",), **options):
    metrics = {name: create("metric", name) for name in names}
    return scalar_frame(
        np.asarray(truth), np.asarray(guess), np.asarray(user), metrics, generator=np.random.default_rng(0), **options
    )


def test_columns_and_values():
    got = frame([1.0, 2.0], [2.0, 4.0], [7, 3], ("mae", "mse"))
    assert got.schema == {
        "metric": pl.String,
        "k": pl.UInt32,
        "value": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "n": pl.UInt64,
    }
    assert got["metric"].to_list() == ["mae", "mse"]
    assert got["value"].to_list() == [1.5, 2.5]
    assert got["low"].to_list() == [1.0, 1.0]
    assert got["high"].to_list() == [2.0, 4.0]
    assert got["n"].to_list() == [2, 2]


def test_a_user_is_drawn_with_all_its_rows():
    # Errors are 0 for one user and 1 for the other, 3 rows each: a resample's mean is 0, 1/2 or 1, never a sixth.
    seen = []

    class Watched:
        def value(self, truth_R, prediction_R):
            seen.append(float(np.mean(prediction_R - truth_R)))
            return seen[-1]

    scalar_frame(
        np.zeros(6),
        np.array([0.0, 1, 0, 1, 0, 1]),
        np.array([5, 2, 5, 2, 5, 2]),
        {"watched": Watched()},
        generator=np.random.default_rng(1),
        n_resamples=50,
    )
    assert set(seen) == {0.0, 0.5, 1.0}


def test_threads_do_not_change_the_result():
    rng = np.random.default_rng(2)
    truth, guess, user = rng.random(300), rng.random(300), rng.integers(0, 40, 300)
    assert frame(truth, guess, user, jobs=1).equals(frame(truth, guess, user, jobs=2))


def test_width_is_that_of_the_normal_approximation_when_each_user_has_one_row():
    error = np.random.default_rng(3).exponential(size=1500)
    got = frame(np.zeros(1500), error, np.arange(1500), n_resamples=600)
    want = 2 * 1.96 * error.std() / math.sqrt(1500)
    assert got["high"][0] - got["low"][0] == pytest.approx(want, rel=0.15)


def test_no_resamples_no_interval():
    got = frame([1.0], [1.0], [0], n_resamples=0)
    assert (got["value"][0], got["low"][0], got["high"][0]) == (0.0, None, None)


def test_resamples_where_a_metric_is_not_defined_are_left_out():
    got = frame([1.0, 0.0], [0.9, 0.1], [0, 1], ("auc",))
    assert (got["low"][0], got["high"][0]) == (1.0, 1.0)


def test_predictions_that_are_not_finite_are_refused():
    with pytest.raises(PluginError, match="2 of 3 predictions are not finite, the first one in row 1"):
        refuse_not_finite(np.array([1.0, np.nan, np.inf]), "predictions")
