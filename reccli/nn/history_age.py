"""Entries of histories that count less the more came after them. E interactions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories
from reccli.errors import ConfigError

__all__ = ["RECENCIES", "aged", "ages", "require_order"]

RECENCIES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
"""Exponents to choose from."""


def require_order(recency: float | str, *, ordered: bool) -> None:
    """Refuse an exponent of ages where nothing came later than anything else.

    Raises:
        ConfigError: It is given, not 0, and there is no order to go by.
    """
    if recency not in ("auto", 0.0) and not ordered:
        raise ConfigError(
            "encoder.recency needs an order, and a split that hides what came later",
            hint="leave it out, or: reccli prepare --split temporal",
        )


def ages(histories: Histories) -> npt.NDArray[np.int64]:
    """Return how many interactions of the same user came after each, E; the newest has 0."""
    age_E: npt.NDArray[np.int64] = (
        np.repeat(histories.offset_U1[1:], histories.length_U) - 1 - np.arange(len(histories))
    )
    return age_E


def aged(histories: Histories, exponent: float) -> Histories:
    """Return histories whose weights are multiplied by (1 + a)^(-exponent), with `a` the age of the entry.

    Args:
        histories: The interactions, oldest first within a user.
        exponent: 0 weighs all alike, 1 halves the second last.
    """
    if not exponent:
        return histories
    weight_E = histories.weight_E * (1.0 + ages(histories)) ** -exponent
    return replace(histories, weight_E=weight_E.astype(np.float32))
