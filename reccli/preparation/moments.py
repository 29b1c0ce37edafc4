"""Times of all files in one unit: microseconds since 1970-01-01 UTC, or bare positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from reccli.errors import ConfigError
from reccli.preparation.reading import Raw, Source, raw_times

__all__ = ["Moments", "read_times"]


@dataclass(frozen=True)
class Moments:
    """How the times of a file are meant.

    Args:
        unit: `s`, `ms`, `us`, `ns`, `iso`, `order`, or None without times.
    """

    unit: str | None

    @property
    def comparable(self) -> bool:
        """Whether times of different users can be compared."""
        return self.unit not in (None, "order")

    def point(self, text: str) -> int:
        """Read a point in time as a user writes it: a date, or a number in the file's unit.

        Raises:
            ConfigError: It is neither.
        """
        import polars as pl

        from reccli.intake import times

        unit = self.unit or "s"
        number = pl.Series([text.strip()]).cast(pl.Int64, strict=False)[0]
        found = times.to_microseconds(pl.Series([text.strip()]), "iso" if number is None else unit)[0]
        if found is None:
            raise ConfigError(f"{text!r} is no point in time", hint="write it as 2020-01-31, or as in the file")
        return int(found)

    def show(self, moment: int) -> str:
        """Write a point in time for people, to the second, and to the day where it is midnight."""
        try:
            stamp = datetime.fromtimestamp(moment / 1e6, UTC)
        except (ValueError, OverflowError, OSError):
            return str(moment)
        return f"{stamp:%Y-%m-%d}" if moment % 86_400_000_000 == 0 else f"{stamp:%Y-%m-%d %H:%M:%S}"


def read_times(raw: Raw, sources: Sequence[Source], unit: str) -> tuple[Raw, Moments]:
    """Turn the times of all rows into microseconds, null where a cell is none.

    Args:
        raw: Rows as read.
        sources: The files.
        unit: Unit as the user gives it, or `auto`.

    Raises:
        DataError: The unit cannot be told, or units are mixed.
    """
    if "time" not in raw.frame.columns:
        return raw, Moments(None)
    from reccli.intake import times

    column = raw.frame["time"]
    if column.null_count():
        column = raw_times(sources)
    found = times.detect(column) if unit == "auto" else unit
    return replace(raw, frame=raw.frame.with_columns(time=times.to_microseconds(column, found))), Moments(found)
