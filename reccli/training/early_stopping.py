"""Keep the best epoch, and stop when no better one comes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Best"]


@dataclass
class Best:
    """The best epoch so far by one metric.

    Args:
        higher: Whether more is better.
        patience: Validations without a better value before stopping; 0 never stops.
        value: The best value, None before the first.
        epoch: Its epoch (0 is the start, before any training).
        since: Validations since then.
    """

    higher: bool
    patience: int
    value: float | None = None
    epoch: int = 0
    since: int = 0

    def offer(self, value: float, epoch: int) -> bool:
        """Take an epoch's value; return whether it is the best (the first of equal ones is, and NaN never)."""
        if math.isnan(value):
            better = False
        elif self.value is None:
            better = True
        else:
            better = value > self.value if self.higher else value < self.value
        if better:
            self.value, self.epoch, self.since = value, epoch, 0
        else:
            self.since += 1
        return better

    @property
    def over(self) -> bool:
        """Whether patience has run out."""
        return self.patience > 0 and self.since >= self.patience

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return asdict(self)

    def load(self, state: dict[str, Any]) -> None:
        """Take up a checkpoint's state; patience stays as it is set now."""
        self.value, self.epoch, self.since = state["value"], state["epoch"], state["since"]
