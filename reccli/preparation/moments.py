"""Times of all files in one unit: microseconds since 1970-01-01 UTC, or bare positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reccli.errors import DataError
from reccli.preparation.reading import Raw, Source, raw_times

if TYPE_CHECKING:
    import polars as pl

    from reccli.settings import PrepareSettings

__all__ = ["Moments", "read_times"]

PLAUSIBLE = 10**8
"""Seconds; smaller numbers may be positions or dates and are looked at one by one."""
FACTORS = {"s": 1_000_000, "ms": 1_000, "us": 1}
"""Microseconds of one unit."""


@dataclass(frozen=True)
class Moments:
    """How the times of a file are meant.

    Args:
        unit: `s`, `ms`, `us`, `ns`, `iso`, `datetime`, `order`, or None without times.
        step: Microseconds that all times are multiples of.
    """

    unit: str | None
    step: int = 1

    @property
    def comparable(self) -> bool:
        """Whether times of different users can be compared."""
        return self.unit not in (None, "order")

    def point(self, text: str) -> int:
        """Read a point in time as a user writes it: a date, or a number in the file's unit."""
        from reccli.intake import times

        return times.parse_time(text, self.unit or "s")

    def show(self, moment: int) -> str:
        """Write a point in time for people, to the second, and to the day where it is midnight."""
        try:
            stamp = datetime.fromtimestamp(moment / 1e6, UTC)
        except (ValueError, OverflowError, OSError):
            return str(moment)
        return f"{stamp:%Y-%m-%d}" if moment % 86_400_000_000 == 0 else f"{stamp:%Y-%m-%d %H:%M:%S}"


def read_times(raw: Raw, sources: Sequence[Source], settings: PrepareSettings) -> tuple[Raw, Moments]:
    """Turn the times of all rows into microseconds, null where a cell is none.

    Args:
        raw: Rows as read.
        sources: The files.
        settings: `time_unit`, as the user gives it or `auto`.

    Raises:
        DataError: The unit cannot be told, or units are mixed.
    """
    import polars as pl

    from reccli.intake import times

    frame = raw.frame
    if "time" not in frame.columns or frame.is_empty():
        return raw, Moments(None)
    if frame["time"].null_count():  # some cell is no whole number
        frame = frame.with_columns(raw_times(sources))
    micros, unit, step = _whole_numbers(frame["time"], settings)
    if micros is None:
        unit = _detected(frame["time"], sources, settings)
        micros = times.to_micros(pl.col("time"), unit, frame.schema["time"])
    return replace(raw, frame=frame.with_columns(micros.alias("time"))), Moments(unit, step)


def _detected(column: pl.Series, sources: Sequence[Source], settings: PrepareSettings) -> str:
    """Find the unit; what is wrong is told with the file and the column as they are called there."""
    from reccli.intake import times

    try:
        return times.detect(column.rename(sources[0].roles["time"]), settings)
    except DataError as error:
        raise DataError(f"{', '.join(source.name for source in sources)}: {error.message}", hint=error.hint) from None


def _whole_numbers(column: pl.Series, settings: PrepareSettings) -> tuple[pl.Expr | None, str, int]:
    """Judge whole numbers by the least and the greatest alone; None where that does not settle it.

    Units are ranges of magnitude: if both ends lie in one, so does everything between.
    """
    import polars as pl

    from reccli.intake import times

    low, high = column.min(), column.max()
    if not (isinstance(low, int) and isinstance(high, int) and column.dtype.is_integer() and low >= PLAUSIBLE):
        return None, "", 1
    ends = pl.Series("time", [low, high])
    try:
        unit = times.detect(ends, settings)
    except DataError:
        return None, "", 1  # mixed: the whole column gives the better message
    micros = ends.to_frame().select(times.to_micros(pl.col("time"), unit, ends.dtype)).to_series()
    factor = FACTORS.get(unit)
    if factor is None or micros.to_list() != [low * factor, high * factor]:
        return None, "", 1
    return pl.col("time").cast(pl.Int64) * factor, unit, factor
