"""How much an interaction counts: the kind of behaviour, the value, and its age."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

__all__ = ["DAY", "event_weights", "recency"]

DAY = 86_400_000_000
"""Microseconds."""


def event_weights(names: list[str], weights: Mapping[str, float]) -> npt.NDArray[np.float32]:
    """Weight of each kind of behaviour by its code; NaN for kinds without one."""
    return np.array([weights.get(name.strip(), np.nan) for name in names], np.float32)


def recency(time_E: npt.NDArray[np.int64], newest: int, half_life: float) -> npt.NDArray[np.float32]:
    """Halve the weight for every half-life of age: w = 2^(-age / half_life), age = max(0, newest - time) in days.

    Args:
        time_E: Microseconds.
        newest: Time of the newest training row; later rows (of validation and test) have weight 1.
        half_life: Days.
    """
    age = np.maximum(0, newest - time_E) / DAY
    return np.exp2(-age / half_life).astype(np.float32)
