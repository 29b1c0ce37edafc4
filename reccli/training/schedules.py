"""The course of the learning rate."""

from __future__ import annotations

import math

__all__ = ["factor"]


def factor(schedule: str, step: int, total: int, warmup: float) -> float:
    """Return what the peak rate is multiplied by in a step.

    Args:
        schedule: `constant`, `linear` or `cosine`: the course after the warm-up, the latter two down to 0.
        step: Steps done before this one.
        total: Steps of the whole run (at least 1).
        warmup: Share of them over which the rate rises from near 0 to its peak.
    """
    rising = math.ceil(warmup * total)
    if step < rising:
        return (step + 1) / rising
    if schedule == "constant":
        return 1.0
    progress = min(1.0, (step - rising) / max(1, total - rising))
    return 1.0 - progress if schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * progress))
