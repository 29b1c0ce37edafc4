"""Bootstrap intervals: literal resampling, coverage, and the paired difference."""

from __future__ import annotations

import numpy as np
import pytest

from reccli.evaluation import bootstrap
from reccli.evaluation.bootstrap import bootstrap_means, paired_differences


def rng(seed=0):
    return np.random.default_rng(seed)


def test_equals_literal_resampling():
    value_UM = rng(1).normal(size=(30, 2))
    got = bootstrap_means(value_UM, generator=rng(2), n_resamples=100, level=0.9)
    own = rng(2)
    drawn = np.concatenate([own.integers(30, size=(rows, 30)) for rows in (64, 36)])
    mean_RM = np.array([value_UM[row].mean(axis=0) for row in drawn])
    np.testing.assert_allclose(got.value_M, value_UM.mean(axis=0))
    np.testing.assert_allclose([got.low_M, got.high_M], np.quantile(mean_RM, [0.05, 0.95], axis=0))
    assert got.n_M.tolist() == [30, 30]


def test_width_is_that_of_the_normal_approximation():
    value_UM = rng(3).normal(size=(2000, 1))
    got = bootstrap_means(value_UM, generator=rng(4), n_resamples=2000)
    want = 2 * 1.96 * value_UM.std() / np.sqrt(2000)
    assert (got.high_M - got.low_M)[0] == pytest.approx(want, rel=0.08)


def test_groups_of_many_users_give_the_same_width(monkeypatch):
    value_UM = rng(5).exponential(size=(4001, 1))
    plain = bootstrap_means(value_UM, generator=rng(6), n_resamples=2000)
    monkeypatch.setattr(bootstrap, "MAX_GROUPS", 1000)
    grouped = bootstrap_means(value_UM, generator=rng(6), n_resamples=2000)
    np.testing.assert_allclose(grouped.value_M, plain.value_M)
    assert (grouped.high_M - grouped.low_M)[0] == pytest.approx((plain.high_M - plain.low_M)[0], rel=0.15)


def test_covers_the_truth_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        got = bootstrap_means(rng(seed).random((60, 1)), generator=rng(seed + 1000), n_resamples=300, level=0.8)
        covered += bool(got.low_M[0] <= 0.5 <= got.high_M[0])
    assert 0.7 <= covered / 200 <= 0.88


def test_undefined_values_are_left_out():
    value_UM = np.array([[0.0, np.nan, np.nan], [1.0, 1.0, np.nan], [2.0, 3.0, np.nan]])
    got = bootstrap_means(value_UM, generator=rng(), n_resamples=200)
    np.testing.assert_array_equal(got.value_M, [1.0, 2.0, np.nan])
    assert got.n_M.tolist() == [3, 2, 0]
    assert (got.low_M[1], got.high_M[1]) == (1.0, 3.0)
    assert np.isnan([got.low_M[2], got.high_M[2]]).all()


def test_nobody_is_not_a_number():
    got = bootstrap_means(np.empty((0, 1)), generator=rng(), n_resamples=10)
    assert np.isnan([got.value_M, got.low_M, got.high_M]).all()


def test_one_seed_one_answer():
    value_UM = rng(7).random((40, 1))
    first, second, other = (bootstrap_means(value_UM, generator=rng(seed)) for seed in (1, 1, 2))
    assert first.low_M == second.low_M
    assert first.low_M != other.low_M


def test_a_small_steady_difference_is_real_though_the_intervals_overlap():
    hard_U1 = rng(8).normal(size=(100, 1))
    against_UM, value_UM = hard_U1, hard_U1 + 0.05 + 0.01 * rng(9).normal(size=(100, 1))
    got = paired_differences(value_UM, against_UM, generator=rng(10))
    assert got.real_M[0]
    assert got.p_M[0] == pytest.approx(2 / 1001)
    assert got.value_M[0] == pytest.approx(0.05, abs=0.01)
    assert got.low_M[0] < got.value_M[0] < got.high_M[0]
    one, other = (bootstrap_means(v, generator=rng(10)) for v in (value_UM, against_UM))
    assert one.low_M[0] < other.high_M[0]


def test_no_difference_is_not_real():
    value_UM = rng(11).random((50, 1))
    got = paired_differences(value_UM, value_UM.copy(), generator=rng(12))
    assert (got.value_M[0], got.p_M[0], bool(got.real_M[0])) == (0.0, 1.0, False)


def test_false_alarms_are_as_rare_as_promised():
    alarms = 0
    for seed in range(200):
        pair = rng(seed).normal(size=(2, 80, 1))
        alarms += bool(paired_differences(*pair, generator=rng(seed + 500), n_resamples=300).real_M[0])
    assert alarms / 200 < 0.11


def test_the_sign_turns_with_the_order():
    a_UM, b_UM = rng(13).random((2, 50, 1))
    there, back = paired_differences(a_UM, b_UM, generator=rng(1)), paired_differences(b_UM, a_UM, generator=rng(1))
    np.testing.assert_allclose(there.value_M, -back.value_M)
    np.testing.assert_allclose(there.low_M, -back.high_M)
    np.testing.assert_allclose(there.p_M, back.p_M)


def test_runs_over_other_users_are_refused():
    with pytest.raises(ValueError, match="against"):
        paired_differences(np.ones((3, 1)), np.ones((2, 1)), generator=rng())
