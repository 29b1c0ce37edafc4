from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field

from reccli.api import Choices, ComponentSettings, Range
from reccli.api.search import spaces_of


class Settings(ComponentSettings):
    plain: int = 3
    """Words."""
    size: Annotated[int, Choices((64, 128))] = Field(default=64, ge=1)
    """Words."""
    heat: Annotated[float, Range(0.05, 1, log=True)] = Field(default=0.2, gt=0)
    """Words."""


def test_spaces_stand_beside_the_settings_and_bounds_hold() -> None:
    assert spaces_of(Settings) == {"size": Choices((64, 128)), "heat": Range(0.05, 1, log=True)}
    with pytest.raises(ValueError, match="greater than 0"):
        Settings(heat=0)


def test_what_a_space_holds() -> None:
    assert Range(1, 2).holds(1)
    assert not Range(1, 2).holds(2.5)
    assert not Range(0, 2).holds(True)
    assert not Range(0, 2).holds("1")
    assert Choices((1, "auto")).holds("auto")
    assert not Choices((1, 2)).holds(True)
    assert not Choices((1, 2)).holds(1.0)


def test_a_space_can_be_widened() -> None:
    assert Range(1, 2, log=True).with_value(4) == Range(1, 4, log=True)
    assert Range(1, 2).with_value(1.5) == Range(1, 2)
    assert Choices((1, 2)).with_value(3) == Choices((1, 2, 3))
    assert Choices((1, 2)).with_value(2) == Choices((1, 2))


def test_spaces_are_said_in_words() -> None:
    assert str(Range(0.05, 1, log=True)) == "0.05 to 1, log"
    assert str(Choices(("auto", 0.5, 64))) == "auto, 0.5, 64"
