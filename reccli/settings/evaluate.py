"""What can be set for `reccli evaluate`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from reccli.settings.base import StageSettings
from reccli.settings.weights import RunWeights

__all__ = ["EvaluateSettings"]


class EvaluateSettings(StageSettings):
    """Settings of `reccli evaluate`."""

    SKIP: ClassVar[frozenset[str]] = frozenset({"name", "device", "threads"})

    runs: tuple[str, ...] = ()
    """Finetune runs to evaluate; the last one without any."""
    ensemble: bool = False
    """Take all runs as one ensemble, whose normalised scores are added; with `compare`, against each of them."""
    weights: RunWeights = ()
    """Weight of each run of an ensemble; equal ones without any, and `auto` chooses them on validation."""
    mix: Literal["score", "rank"] = "score"
    """What an ensemble adds up: normalised scores, or reciprocal places in the runs' lists."""
    compare: bool = False
    """Give the difference of every further run to the first with a paired bootstrap interval."""
    split: Literal["valid", "test"] = "test"
    """Which part to predict."""
    metrics: tuple[str, ...] = ()
    """Metrics; all that fit the task without any."""
    ks: tuple[int, ...] = (10, 20)
    """Cut-offs of the lists."""
    candidates: Literal["all", "warm", "cold"] = "all"
    """Items to rank: the whole catalogue, those seen in training, or those without a known interaction (for `test`
    neither in train nor in valid)."""
    resamples: int = Field(default=1000, ge=0)
    """Bootstrap resamples; 0 for no intervals."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """Coverage of intervals."""
    gates: tuple[str, ...] = ()
    """Conditions on metrics, as `ndcg@10>=0.12`; a miss exits 13."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; all cores without one."""
    seed: int = Field(default=42, ge=0)
    """Seed of the bootstrap."""
