"""Weights of the runs of an ensemble, as both `evaluate` and `recommend` take them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

__all__ = ["RunWeights"]

AUTO = "auto"


def _checked(weights: tuple[float | str, ...]) -> tuple[float | str, ...]:
    if AUTO in weights and len(weights) > 1:
        raise ValueError("give 'auto' alone, or a number for each run")
    if any(weight != AUTO and not 0 < float(weight) < float("inf") for weight in weights):
        raise ValueError("weights must be above 0")
    return weights


RunWeights = Annotated[tuple[float | Literal["auto"], ...], AfterValidator(_checked)]
"""Numbers above 0, or `auto` alone."""
