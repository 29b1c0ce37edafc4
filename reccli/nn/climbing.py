"""Choosing settings one after another: up and down its ladder as long as that gains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["climb"]

Settings = TypeVar("Settings", bound="DataclassInstance")


def climb(
    start: Settings,
    ladders: Mapping[str, Sequence[float]],
    measure: Callable[[Settings], float],
    *,
    known: Mapping[Settings, float] | None = None,
) -> tuple[float, Settings]:
    """Go up and down one setting after another, as long as that gains; return the best and its value.

    Where each ladder has a single top, it is found in a few more measurements than the steps that lead to it.

    Args:
        start: Where to begin, a frozen dataclass.
        ladders: Values of each setting that may be tried, ascending, those of `start` among them.
        measure: More is better. Nothing is measured twice.
        known: What has been measured before.
    """
    known = dict(known or {})
    if start not in known:
        known[start] = measure(start)
    best, before = start, None
    while best != before:
        before = best
        for name, ladder in ladders.items():
            for step in (1, -1):
                while 0 <= (place := ladder.index(getattr(best, name)) + step) < len(ladder):
                    tried = replace(best, **{name: ladder[place]})
                    if tried not in known:
                        known[tried] = measure(tried)
                    if known[tried] <= known[best]:
                        break
                    best = tried
    return known[best], best
