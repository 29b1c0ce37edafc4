"""Entries of histories that count less the more came after them. E interactions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories

__all__ = ["aged", "ages"]


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
