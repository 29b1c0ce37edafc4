"""Choosing and applying the split that the settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from reccli.errors import ConfigError
from reccli.preparation import splits
from reccli.preparation.splits import Parts, SplitRows

if TYPE_CHECKING:
    from reccli.settings import PrepareSettings

__all__ = ["Division", "choose_split", "divide"]


@dataclass(frozen=True)
class Division:
    """How the rows were divided.

    Args:
        method: Name of the split.
        part_E: Part code of each row.
        facts: Parameters, as they were used.
        label: The same in a few words for people.
    """

    method: str
    part_E: Parts
    facts: dict[str, Any] = field(default_factory=dict)
    label: str = ""


def choose_split(settings: PrepareSettings, *, has_times: bool, comparable: bool, given: bool) -> str:
    """Turn `auto` into a split, and refuse settings that contradict the data.

    Raises:
        ConfigError: The split and the data, or two settings, do not go together.
    """
    method = settings.split
    if given and method in ("auto", "given"):
        method = "given"
    elif given:
        raise ConfigError(f"split '{method}' and given parts exclude each other", hint="leave out --split")
    elif method == "given":
        raise ConfigError(
            "split 'given' needs parts: name a column, or give files",
            hint="--split-column split, or --valid FILE --test FILE",
        )
    elif method == "auto":
        method = "temporal" if has_times else "random"
    for name, wanted in (("valid_from", "global-time"), ("test_from", "global-time"), ("valid_from_train", "given")):
        if getattr(settings, name) is not None and method != wanted:
            flag = "--" + name.replace("_", "-")
            raise ConfigError(f"{flag} is for split '{wanted}', and the split is '{method}'")
    if method == "global-time" and has_times and not comparable:
        raise ConfigError(
            "split 'global-time' needs times, and positions of different users cannot be compared",
            hint="--split temporal",
        )
    return method


def divide(
    rows: SplitRows,
    settings: PrepareSettings,
    method: str,
    *,
    given_E: Parts | None,
    moment: Callable[[str], int],
    show: Callable[[int], str],
) -> Division:
    """Divide the rows.

    Args:
        rows: Sorted rows.
        settings: Ratios, points in time, seed.
        method: Name of the split, not `auto`.
        given_E: Given part of each row, for `given`.
        moment: Reads a point in time as the user wrote it.
        show: Writes a point in time for people.
    """
    if method == "given":
        return _given(rows, settings, given_E if given_E is not None else np.zeros(len(rows), np.uint8))
    ratios = splits.shares(settings.ratios)
    label = f"{method} {_ratio_label(ratios)}"
    facts: dict[str, Any] = {"ratios": [round(share, 6) for share in ratios], "seed": settings.seed}
    if method == "temporal":
        part_E = splits.temporal(rows, ratios)
    elif method == "random":
        part_E = splits.random(rows, ratios)
    elif method == "leave-one-out":
        part_E = splits.leave_one_out(rows)
        facts = {"seed": settings.seed}
        label = method if rows.time_E is not None else f"{method} (drawn at random: there is no time)"
    elif method == "cold-item":
        part_E = splits.cold_item(rows, ratios)
    elif method == "cold-user":
        part_E = splits.cold_user(rows, ratios)
    else:
        given = {
            name: None if text is None else moment(text)
            for name, text in (("valid_from", settings.valid_from), ("test_from", settings.test_from))
        }
        valid_from, test_from = splits.cut_points(rows, ratios, **given)
        part_E = splits.global_time(rows, valid_from, test_from)
        facts |= {"valid_from": valid_from, "test_from": test_from}
        label = f"{method}, valid from {show(valid_from)}, test from {show(test_from)}"
    return Division(method, part_E, facts, label)


def _given(rows: SplitRows, settings: PrepareSettings, part_E: Parts) -> Division:
    share = settings.valid_from_train
    if share is None:
        return Division("given", part_E, {}, "given")
    part_E = splits.validation_from_train(rows, part_E, share)
    return Division(
        "given",
        part_E,
        {"valid_from_train": share, "seed": settings.seed},
        f"given, {share:.0%} of train for validation",
    )


def _ratio_label(shares: tuple[float, float, float]) -> str:
    """Write shares as the shortest whole ratio (`8:1:1`), or as percentages."""
    for scale in range(1, 21):
        scaled = [share * scale for share in shares]
        if all(abs(value - round(value)) < 1e-6 for value in scaled):
            return ":".join(str(round(value)) for value in scaled)
    return ":".join(f"{share:.3g}" for share in shares)
