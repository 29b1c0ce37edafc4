"""The account of rows: every row that came in is either kept or dropped for one named reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reccli.errors import ReccliError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Drop", "Ledger", "Place"]


@dataclass(frozen=True)
class Place:
    """Where a row came from."""

    file: str
    line: int
    text: str


@dataclass
class Drop:
    """Rows dropped for one reason; the first of them by number, or already by place."""

    count: int
    first_row: int | None = None
    place: Place | None = None


@dataclass
class Ledger:
    """Counts rows in, and rows dropped by reason.

    Args:
        rows_in: Rows of all interaction files, malformed ones included.
    """

    rows_in: int = 0
    drops: dict[str, Drop] = field(default_factory=dict)

    @property
    def dropped(self) -> int:
        """Rows dropped so far."""
        return sum(drop.count for drop in self.drops.values())

    @property
    def kept(self) -> int:
        """Rows left."""
        return self.rows_in - self.dropped

    def drop(self, reason: str, count: int, *, first_row: int | None = None, place: Place | None = None) -> None:
        """Enter dropped rows under a reason; of several entries the earliest row is remembered."""
        if not count:
            return
        known = self.drops.setdefault(reason, Drop(0, first_row, place))
        known.count += count
        if known.first_row is not None and first_row is not None:
            known.first_row = min(known.first_row, first_row)

    def check(self, kept: int) -> None:
        """Check the conservation law, rows in = rows kept + rows dropped.

        Raises:
            ReccliError: The law is broken, which is a bug.
        """
        if kept != self.kept:
            account = ", ".join(f"{reason} {drop.count:,}" for reason, drop in self.drops.items()) or "none"
            raise ReccliError(
                f"bug: {self.rows_in:,} rows came in and {kept:,} were kept, but the dropped ones are {account}",
                hint="report this with the command and, if you may, the file",
            )

    def counts(self) -> dict[str, int]:
        """Dropped rows by reason, as `dropped.<reason>`."""
        return {f"dropped.{reason}": drop.count for reason, drop in self.drops.items()}

    def unplaced(self) -> list[int]:
        """Row numbers whose place is still to be looked up."""
        return [d.first_row for d in self.drops.values() if d.place is None and d.first_row is not None]

    def settle(self, rows: Sequence[int], places: Sequence[Place]) -> None:
        """Enter the places of rows that `unplaced` named."""
        found = dict(zip(rows, places, strict=True))
        for drop in self.drops.values():
            if drop.place is None and drop.first_row is not None:
                drop.place = found[drop.first_row]

    def frame(self) -> pl.DataFrame:
        """Build the `rejected` artifact, one row per reason."""
        import polars as pl

        rows = [
            {
                "reason": reason,
                "count": drop.count,
                "file": drop.place.file if drop.place else None,
                "first_line": drop.place.line if drop.place else None,
                "text": drop.place.text if drop.place else None,
            }
            for reason, drop in self.drops.items()
        ]
        types = {"reason": pl.String, "count": pl.UInt64, "file": pl.String, "first_line": pl.UInt64, "text": pl.String}
        return pl.DataFrame(rows, schema=types)
