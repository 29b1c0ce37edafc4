"""What is worth knowing about the interactions, for the manifest and for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reccli.preparation import coding
from reccli.preparation.dividing import Division
from reccli.preparation.ledger import Ledger
from reccli.preparation.splits import PARTS, TEST, VALID, Parts

if TYPE_CHECKING:
    import polars as pl

    from reccli.settings import PrepareSettings

__all__ = ["account", "empty_parts", "notes", "row_counts", "value_facts"]

MAX_LEVELS = 50
"""Most distinct values that are listed one by one."""


def value_facts(frame: pl.DataFrame, roles: Sequence[str], settings: PrepareSettings) -> dict[str, Any]:
    """Say what the values are, and what they are for: labels where 0 and 1 are all there is."""
    if "value" not in roles:
        return {"task": "ranking" if settings.task == "auto" else settings.task, "value_levels": None}
    levels = frame["value"].unique().sort().to_list()
    task = settings.task
    if task == "auto":
        task = "ctr" if levels == [0.0, 1.0] else "ranking"
    facts: dict[str, Any] = {"task": task, "value_min": levels[0], "value_max": levels[-1]}
    return facts | {"value_levels": levels if len(levels) <= MAX_LEVELS else None}


def row_counts(ledger: Ledger, part_E: Parts) -> dict[str, int]:
    """Count rows in, kept, of each part, and dropped by reason."""
    parts = [np.count_nonzero(part_E == code) for code in range(len(PARTS))]
    counts = {"rows_in": ledger.rows_in, "kept": ledger.kept, "dropped": ledger.dropped}
    counts |= {name: int(parts[code]) for code, name in enumerate(PARTS) if name != "history" or parts[code]}
    return counts | ledger.counts()


def notes(user_ids: pl.Series, item_ids: pl.Series, settings: PrepareSettings, *, given: bool) -> list[str]:
    """Say what a user should know: ids that look alike, and filters that given parts are spared."""
    found = []
    for what, ids in (("user", user_ids), ("item", item_ids)):
        twins = coding.same_after_normalisation(ids)
        if twins:
            found.append(f"{twins:,} {what} ids differ from another in Unicode normalisation alone; they stay distinct")
    asked = [
        flag
        for flag, on in (
            ("--min-rating", settings.min_rating is not None),
            ("--core", max(settings.core) > 1),
            ("--max-interactions", settings.max_interactions is not None),
        )
        if on
    ]
    if given and asked:
        found.append(f"given parts stay as they are: {', '.join(asked)} not applied")
    return found


def empty_parts(division: Division) -> list[str]:
    """Say which parts have no rows although they were to have some."""
    found = []
    for name, code, share in zip(PARTS[1:], (VALID, TEST), division.facts.get("ratios", (1, 1, 1))[1:], strict=False):
        if share and not (division.part_E == code).any():
            hint = " (--valid-from-train 0.1 makes one)" if division.method == "given" and code == VALID else ""
            found.append(f"split {division.method} leaves no {name} rows{hint}")
    return found


def account(ledger: Ledger) -> str:
    """Write the dropped rows by reason."""
    return ", ".join(f"{drop.count:,} {reason}" for reason, drop in ledger.drops.items())
