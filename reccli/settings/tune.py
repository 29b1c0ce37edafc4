"""What can be set for `reccli tune`, beside the settings of the trainings that it makes."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from reccli.settings.base import StageSettings

__all__ = ["TuneSettings"]


class TuneSettings(StageSettings):
    """Settings of `reccli tune`; what is not searched is set as for `finetune`."""

    SKIP: ClassVar[frozenset[str]] = frozenset({"name", "trials", "timeout"})

    trials: int = Field(default=30, ge=1)
    """Trials of the search, those of earlier and of other processes among them."""
    timeout: float | None = Field(default=None, gt=0)
    """Seconds after which this process begins no new trial."""
    params: tuple[str, ...] = ()
    """What to search, as loss.temperature=0.05..1:log or encoder.dim=64,128 (a name alone: where the component says);
    without any all that the components declare, and the learning rate."""
    pruner: Literal["median", "hyperband", "none"] = "median"
    """Which trials end early, by the validation metric of their epochs: those below the median of the others, those
    that successive halving drops, or none."""
    name: str | None = None
    """Name of the best trial's run; that of the encoder and loss and `-tuned` without one."""
