from __future__ import annotations

import itertools

import pytest

from reccli.training.schedules import factor


def test_warm_up_rises_to_the_peak() -> None:
    course = [factor("constant", step, 10, 0.4) for step in range(10)]
    assert course == [0.25, 0.5, 0.75, 1.0, *[1.0] * 6]


@pytest.mark.parametrize(("schedule", "middle"), [("linear", 0.5), ("cosine", 0.5)])
def test_falling_schedules(schedule: str, middle: float) -> None:
    course = [factor(schedule, step, 100, 0.0) for step in range(101)]
    assert course[0] == 1.0
    assert course[50] == pytest.approx(middle)
    assert course[100] == pytest.approx(0.0, abs=1e-12)
    assert all(later <= earlier for earlier, later in itertools.pairwise(course))
