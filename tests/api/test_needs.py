"""Needs of settings stand beside them, and are found there."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from reccli import registry
from reccli.api import Choices, ComponentSettings, Needs
from reccli.api.needs import needs_of


class Settings(ComponentSettings):
    plain: int = 3
    """Words."""
    words: Annotated[float | Literal["auto"], Choices(("auto", 0.0, 2.0)), Needs("text", unless=("auto", 0.0))] = "auto"
    """Words."""
    heat: Annotated[float | None, Needs("time")] = Field(default=None, gt=0)
    """Words."""


def test_needs_are_found_and_bounds_hold() -> None:
    assert needs_of(Settings) == {"words": Needs("text", ("auto", 0.0)), "heat": Needs("time", (None,))}
    assert needs_of(ComponentSettings) == {}
    with pytest.raises(ValueError, match="greater than 0"):
        Settings(heat=0)


@pytest.mark.parametrize(
    ("encoder", "wanted"),
    [
        *((name, {"words": "text", "recency": "time"}) for name in ("ease", "hybrid")),
        *((name, {"recency": "time"}) for name in ("slim", "item-knn", "spectral")),
        *((name, {"words": "text"}) for name in ("recency", "sasrec")),
    ],
)
def test_what_setup_refuses_is_declared(encoder: str, wanted: dict[str, str]) -> None:
    found = needs_of(registry.load("encoder", encoder).Settings)
    assert {name: need.what for name, need in found.items()} == wanted
