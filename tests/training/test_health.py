"""The sample of a run's vectors, and its numbers against the whole matrix taken literally."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reccli.training.health import HealthSample

USERS, ITEMS, DIM = 9, 12, 4
KINDS = ("users", "items")


def vectors(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, DIM)).astype(np.float32)


def sample(*, most: int = 1024, known: np.ndarray | None = None, seed: int = 0) -> HealthSample:
    known = np.ones(ITEMS, np.bool_) if known is None else known
    pairs = (np.array([0, 0, 4, 8]), np.array([1, 5, 5, 11]))
    return HealthSample.draw(USERS, known, pairs, np.random.default_rng(seed), most=most)


def test_numbers_are_those_of_the_definitions() -> None:
    drawn, user, item = sample(), vectors(USERS, 1), vectors(ITEMS, 2)
    found = drawn(user, item)
    unit = {
        kind: [row / np.linalg.norm(row) for row in rows.astype(np.float64)]
        for kind, rows in (("users", user), ("items", item))
    }
    pairs = zip(drawn.user_P, drawn.item_P, strict=True)
    squares = [float(((unit["users"][u] - unit["items"][i]) ** 2).sum()) for u, i in pairs]
    assert sorted(zip(drawn.user_P, drawn.item_P, strict=True)) == [(0, 1), (0, 5), (4, 5), (8, 11)]
    assert found.pop("health.alignment") == pytest.approx(np.mean(squares), rel=1e-5)
    for kind, order in zip(KINDS, (drawn.user_N, drawn.item_N), strict=True):
        rows = [unit[kind][place] for place in order]
        cosines = [float(rows[n] @ rows[n + 1]) for n in range(len(rows) - 1)]
        potentials = [math.exp(-2 * (2 - 2 * cosine)) for cosine in cosines]
        values = np.linalg.svd(np.stack(rows), compute_uv=False)
        share = values / values.sum()
        assert found.pop(f"health.{kind}.mean_cosine") == pytest.approx(np.mean(cosines), rel=1e-4)
        assert found.pop(f"health.{kind}.uniformity") == pytest.approx(math.log(np.mean(potentials)), rel=1e-5)
        assert found.pop(f"health.{kind}.effective_rank") == pytest.approx(
            math.exp(-(share * np.log(share)).sum()), rel=1e-4
        )
        assert found.pop(f"health.{kind}.dead") == 0.0
    assert not found


def test_lengths_do_not_matter() -> None:
    drawn, user, item = sample(), vectors(USERS, 1), vectors(ITEMS, 2)
    assert drawn(5 * user, item / 3) == {
        name: pytest.approx(value, rel=1e-4) for name, value in drawn(user, item).items()
    }


def test_a_sample_is_bounded_seeded_and_of_known_items() -> None:
    known = np.ones(ITEMS, np.bool_)
    known[[5, 7]] = False
    drawn = sample(most=3, known=known)
    assert [len(part) for part in (drawn.user_N, drawn.item_N, drawn.user_P)] == [3, 3, 2]
    assert not np.isin(drawn.item_N, [5, 7]).any()
    assert sorted(drawn.item_P.tolist()) == [1, 11]
    again, other = sample(most=3, known=known), sample(most=3, known=known, seed=1)
    assert again.item_N.tolist() == drawn.item_N.tolist()
    assert (other.user_N.tolist(), other.item_N.tolist()) != (drawn.user_N.tolist(), drawn.item_N.tolist())


def test_what_cannot_be_said_is_not_there() -> None:
    user, item = vectors(USERS, 1), vectors(ITEMS, 2)
    assert sample()(user[:, :1], item[:, :1]) == {}, "one number has no direction"
    assert sample()(user, np.where(np.arange(ITEMS)[:, None] == 3, np.nan, item)) == {}
    lone = HealthSample(np.array([2]), np.arange(ITEMS), np.array([], int), np.array([], int))(user, item)
    assert {name.split(".")[1] for name in lone} == {"items"}
