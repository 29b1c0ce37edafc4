"""Names of the numbers of health in a training log, and how they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["HEALTH", "KINDS", "crowding", "health_of", "health_text"]

HEALTH = "health."
KINDS = ("users", "items")


def health_of(rows: Sequence[tuple[int, str, float]], epoch: int) -> dict[str, float]:
    """Return what a training log says of the vectors of an epoch, without the prefix."""
    return {name.removeprefix(HEALTH): value for at, name, value in rows if at == epoch and name.startswith(HEALTH)}


def crowding(rows: Sequence[tuple[int, str, float]]) -> dict[str, float]:
    """Return the newest uniformity of users or of items, whichever crowd more, by name; empty where there is none."""
    last = rows[-1][0] if rows else 0
    found = [value for name, value in health_of(rows, last).items() if name.endswith(".uniformity")]
    return {"uniformity": max(found)} if found else {}


def health_text(found: Mapping[str, float]) -> str:
    """Return the numbers of `health_of` as a line for people."""
    parts = []
    for kind in KINDS:
        if f"{kind}.effective_rank" in found:
            rank, uniformity = found[f"{kind}.effective_rank"], found[f"{kind}.uniformity"]
            cosine, dead = found[f"{kind}.mean_cosine"], found[f"{kind}.dead"]
            parts.append(f"{kind} rank {rank:.1f} uniformity {uniformity:.2f} cosine {cosine:.2f} dead {dead:.0%}")
    if "alignment" in found:
        parts.append(f"alignment {found['alignment']:.2f}")
    return "  ".join(parts)
