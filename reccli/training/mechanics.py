"""How a batch becomes a loss, apart from encoder, loss and sampler: one frozen list of what may differ."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PLAIN", "Mechanics"]


@dataclass(frozen=True)
class Mechanics:
    """Settings of the training model; the default of each is the plain way.

    Args:
        micro_batch: Rows or texts of a pass that keeps no activations (`reccli.training.passes`); None for one pass.
    """

    micro_batch: int | None = None


PLAIN = Mechanics()
