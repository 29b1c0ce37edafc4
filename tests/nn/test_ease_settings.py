"""Settings of EASE that leave its solution open are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from reccli.errors import ConfigError
from reccli.nn.ease_settings import EaseSettings


@pytest.mark.parametrize(
    ("name", "value"), [("l2", 0.0), ("l2", -0.1), ("l2", float("nan")), ("words", -1.0), ("user_power", -1.0)]
)
def test_weights_that_leave_the_solution_open_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match=r"greater than|finite number"):
        EaseSettings(**{name: value})


def test_without_words_nothing_else_changes() -> None:
    given = EaseSettings(l2=0.01, rank=7)
    assert given.without_words() == EaseSettings(l2=0.01, rank=7, words=0.0)
    with pytest.raises(ConfigError, match=r"encoder\.words=8\.0, and encoder\.text=no"):
        EaseSettings(words=8).without_words()
