"""When vectors count as collapsed: the limits of a run, and the error that ends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reccli.errors import DivergedError
from reccli.training.health_log import HEALTH, KINDS

__all__ = ["Limits", "collapse_error"]


@dataclass(frozen=True)
class Limits:
    """Bounds of what `HealthSample` measures, for the vectors of users and for those of items.

    Args:
        cosine: Mean cosine of random pairs above which vectors are nearly all alike; 1 never.
        rank: Effective rank below which they are all in one direction and its opposite; 0 never.
        keep: Whether a run ends well with the best weights before the collapse, instead of with an error.
    """

    cosine: float = 1.0
    rank: float = 0.0
    keep: bool = False

    def broken(self, metrics: Mapping[str, float]) -> str | None:
        """Return what has collapsed and by which number; None where nothing has, or nothing was measured.

        Args:
            metrics: What a validation found.
        """
        for kind in KINDS:
            cosine = metrics.get(f"{HEALTH}{kind}.mean_cosine", 0.0)
            rank = metrics.get(f"{HEALTH}{kind}.effective_rank", float("inf"))
            if self.cosine < 1 and cosine > self.cosine:
                return f"the vectors of {kind} have collapsed: mean cosine {cosine:.4f} (limit {self.cosine:g})"
            if rank < self.rank:
                return f"the vectors of {kind} have collapsed: effective rank {rank:.3f} (limit {self.rank:g})"
        return None


def collapse_error(what: str, *, epoch: int, best_epoch: int, learning_rate: float) -> DivergedError:
    """Return the error of a collapse.

    Args:
        what: As `Limits.broken` tells it.
        epoch: After which it was seen.
        best_epoch: Epoch whose weights are kept.
        learning_rate: Peak rate.
    """
    return DivergedError(
        f"{what} in epoch {epoch}, learning rate {learning_rate:.2g}; the weights of epoch {best_epoch} are kept",
        hint=f"lower the rate: --learning-rate {learning_rate / 10:.2g}, spread vectors: --loss infonce+directau:0.5, "
        f"or finish with epoch {best_epoch}: the same command with --collapse keep",
    )
