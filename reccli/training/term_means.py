"""Means of the scalars that a loss reports, over the steps of an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

__all__ = ["TermMeans"]


class TermMeans:
    """Sums and counts by name; a scalar that some steps lack is averaged over those that have it."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Take a step's scalars."""
        for name, value in terms.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + float(value.detach()), count + 1

    def take(self) -> Iterator[tuple[str, float]]:
        """Yield names and means, and begin anew."""
        sums, self._sums = self._sums, {}
        for name, (total, count) in sums.items():
            yield name, total / count

    def state(self) -> dict[str, list[float]]:
        """Return plain values for a checkpoint."""
        return {name: [total, count] for name, (total, count) in self._sums.items()}

    def load(self, state: Mapping[str, list[float]]) -> None:
        """Take up what a checkpoint holds."""
        self._sums = {name: (float(total), int(count)) for name, (total, count) in state.items()}
