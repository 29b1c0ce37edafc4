"""Which split is taken, and which settings are refused."""

from __future__ import annotations

from typing import Any

import pytest

from reccli.errors import ConfigError
from reccli.preparation.dividing import choose_split
from reccli.settings import PrepareSettings


def choose(*, has_times: bool = True, comparable: bool = True, given: bool = False, **settings: Any) -> str:
    return choose_split(PrepareSettings(**settings), has_times=has_times, comparable=comparable, given=given)


def test_auto() -> None:
    assert choose() == "temporal"
    assert choose(has_times=False) == "random"
    assert choose(given=True) == "given"
    assert choose(given=True, valid_from_train=0.1) == "given"
    assert choose(split="cold-item", has_times=False) == "cold-item"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"given": True, "split": "random"}, "split 'random' and given parts exclude each other"),
        ({"split": "given"}, "split 'given' needs parts"),
        ({"test_from": "2020-01-01"}, "--test-from is for split 'global-time', and the split is 'temporal'"),
        ({"valid_from_train": 0.1}, "--valid-from-train is for split 'given'"),
        ({"split": "global-time", "comparable": False}, "positions of different users cannot be compared"),
    ],
)
def test_contradictions(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        choose(**settings)
