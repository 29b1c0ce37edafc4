"""Climbing reaches the top of what has one, and measures little."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from reccli.nn.climbing import climb


@dataclass(frozen=True)
class Place:
    x: float
    y: float = 0.0


def test_it_ends_at_the_top_and_measures_nothing_twice() -> None:
    asked: list[Place] = []

    def measure(tried: Place) -> float:
        asked.append(tried)
        return -abs(tried.x - 16) - abs(tried.y - (1.0 if tried.x > 4 else 0.1))

    value, best = climb(Place(4.0, 0.1), {"x": (1.0, 4.0, 8.0, 16.0), "y": (0.1, 0.3, 0.5, 1.0)}, measure)
    assert (value, best) == (0.0, Place(16.0, 1.0))
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("top", range(9))
@pytest.mark.parametrize("start", range(9))
def test_a_single_top_is_found_in_two_measurements_more_than_steps(top: int, start: int) -> None:
    asked: list[Place] = []

    def measure(tried: Place) -> float:
        asked.append(tried)
        return -abs(tried.x - top)

    assert climb(Place(start), {"x": range(9)}, measure) == (0, Place(top))
    assert len(asked) <= abs(top - start) + 3


def test_a_ladder_of_one_is_left_as_it_is() -> None:
    assert climb(Place(3.0), {"x": [3.0]}, lambda tried: tried.x) == (3.0, Place(3.0))


def test_what_is_known_is_not_measured() -> None:
    asked: list[float] = []

    def measure(tried: Place) -> float:
        asked.append(tried.x)
        return -abs(tried.x - 3)

    known = {Place(2.0): -1.0, Place(1.0): -2.0}
    assert climb(Place(2.0), {"x": range(5)}, measure, known=known) == (0, Place(3))
    assert asked == [3, 4]
    assert len(known) == 2
