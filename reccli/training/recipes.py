"""Which encoders are worth a try on data of a kind, and why: the shortlists of `--recipe auto`.

What stands here was measured on public data (examples/benchmarks). What is on a list is tried, so a list has to hold
what may be best on such data, not to know which is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reccli.training.data_profile import DataProfile

__all__ = ["Candidate", "picked", "shortlist"]

FEW_ROWS = 100_000
"""Rows up to which a training over the graph takes a minute or so on one core."""
SOME_ROWS = 300_000
"""Rows up to which a training over ordered histories and texts takes some tens of minutes on one core."""
MANY_ROWS = 3_000_000
"""Rows from which an epoch over the graph takes minutes on a few cores."""
LARGE_CATALOGUE = 25_000
"""Items from which the spectrum alone may be the best (on Gowalla, of 41 thousand, it is)."""
MANY_ITEMS = 100_000
"""Items from which the vectors of an item-item regression, of 2,048 numbers, take nearly a gigabyte."""


@dataclass(frozen=True)
class Candidate:
    """A training that is tried.

    Args:
        encoder: Its encoder; loss, sampler, sizes and budget are what the encoder prefers on this data.
        why: Half a sentence for people.
    """

    encoder: str
    why: str


def shortlist(profile: DataProfile) -> list[Candidate]:
    """Return what is tried on such data, the surest first; at least one."""
    if profile.task == "rating":
        return _ratings(profile)
    if profile.task == "ctr":
        return _clicks(profile)
    found = []
    if profile.ordered:
        found.append(Candidate("recency", "rows have an order, and the last ones tell most"))
        if profile.text and profile.rows <= SOME_ROWS:
            found.append(Candidate("hybrid", "an order and texts: what came last, words and sentences"))
    if profile.items <= MANY_ITEMS:
        words = ", and words of texts beside them" if profile.text else ""
        found.append(Candidate("ease", f"items that go together, in closed form{words}"))
    found.append(Candidate("history", "items of the history, trained against all others"))
    if profile.rows <= FEW_ROWS:
        found.append(Candidate("lightgcn", "vectors that neighbours in the graph share, where rows are few"))
    if profile.rows <= MANY_ROWS:
        found.append(Candidate("als", "factors of users and items, solved to fit all pairs"))
    if profile.items > MANY_ITEMS:
        found.append(Candidate("slim", "a large catalogue, each item by those nearest to it"))
    if profile.items > LARGE_CATALOGUE:
        found.append(Candidate("spectral", "a large catalogue, by the spectrum alone"))
    if profile.items <= MANY_ITEMS and profile.rows <= MANY_ROWS:
        found.append(Candidate("item-knn", "nearest items, where few rows repeat a pattern"))
    return found


def _ratings(profile: DataProfile) -> list[Candidate]:
    found = [Candidate("mf", "ratings by vectors of users and items")]
    if profile.text:
        found.insert(0, Candidate("tastes", "ratings, and texts that say what they were given for"))
    return found


def _clicks(profile: DataProfile) -> list[Candidate]:
    return [
        Candidate("mf", "clicks by vectors of users and items"),
        Candidate("history", "clicks by what was met before"),
    ]


def picked(settings: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return in one line what the winner is made of, and why: loss, sampler, size and budget.

    Args:
        settings: Of the run, without gaps, as its manifest has them.
        facts: Of the run.
    """
    own = settings.get("encoder_settings", {})
    sizes = [f"{name} {own[name]}" for name in ("dim", "rank", "neighbours") if own.get(name) is not None]
    if not facts["trainable"]:
        return ", ".join([*sizes, "one fit in closed form without loss, sampler or epochs"])
    loss, sampler = settings["loss"], settings.get("sampler")
    against = "no negatives to be drawn" if sampler is None else f"negatives from {sampler}"
    budget = f"best epoch {facts['best_epoch']} of at most {settings['epochs']}, stopped by {facts['stopped']}"
    return ", ".join([f"loss {loss}", against, *sizes, budget])
