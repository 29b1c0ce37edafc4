"""How a batch becomes a loss, apart from encoder, loss and sampler: one frozen list of what may differ."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PLAIN", "Mechanics"]


@dataclass(frozen=True)
class Mechanics:
    """Settings of the training model; the default of each is the plain way.

    Args:
        micro_batch: Rows or texts of a pass that keeps no activations (`reccli.training.passes`); None for one pass.
        memory: Item vectors of earlier batches that are negatives too (`reccli.training.memory`).
        memory_after: Steps before they are.
        mask_twins: Whether an item with the same text as a known positive is no negative either.
        dropout: Share of the entries of users' and items' vectors that a loss does not see in training.
        dropout_samples: Draws of it per batch, whose losses are averaged (`reccli.training.dropout`).
    """

    micro_batch: int | None = None
    memory: int = 0
    memory_after: int = 0
    mask_twins: bool = False
    dropout: float = 0.0
    dropout_samples: int = 1


PLAIN = Mechanics()
