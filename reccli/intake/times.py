"""Times in whatever unit as microseconds since 1970-01-01 UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reccli.errors import ConfigError, DataError

if TYPE_CHECKING:
    import polars as pl

    from reccli.settings import PrepareSettings

__all__ = ["UNITS", "detect", "parse_time", "to_micros"]

UNITS = ("s", "ms", "us", "ns", "iso", "order", "datetime")
"""`order` is a position that only orders rows; `datetime` is a column that is typed as one."""
FIRST = {"s": 1e8, "ms": 3e11, "us": 3e14, "ns": 3e17}
"""Least number of each unit: 1973 for seconds, 1979 for the others. Times up to the year 9999 never overlap."""
MICROS = {"s": 1_000_000, "ms": 1_000, "us": 1, "order": 1_000_000}
"""Microseconds of one unit; positions count as seconds."""
ZONED = ("%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%d %H:%M%:z", "%a %b %d %H:%M:%S %z %Y")
PLAIN = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")
DATES = ("%Y-%m-%d", "%Y%m%d")
MOST = 2**63 - 1
LOOKED_AT = 1000
HINT = "set the unit with --time-unit s, ms, us, ns, iso or order, or another column with --time-col"
DATE_HINT = "write dates as 2024-06-30, 2024-06-30 18:05:00 or 30.06.2024, or go without: --time-col none"


def detect(times: pl.Series, settings: PrepareSettings) -> str:
    """Find the unit of a column of times.

    Args:
        times: The column as it was read: strings, numbers or dates.
        settings: `time_unit` other than `auto` decides; otherwise the magnitudes do.

    Returns:
        One of `UNITS`. Numbers that are all below 100 million are positions (`order`), unless each is a date like
        20050106. Small and negative ones among larger ones have the unit of those.

    Raises:
        DataError: Units are mixed, or nothing can be read as a time.
    """
    import polars as pl

    if times.dtype.is_temporal():
        if isinstance(times.dtype, pl.Date | pl.Datetime):
            return "datetime"
        raise DataError(f"time column '{times.name}': {times.dtype} has no date", hint=HINT)
    if settings.time_unit != "auto":
        return settings.time_unit
    if times.dtype != pl.String:
        if not times.dtype.is_numeric():
            raise DataError(f"time column '{times.name}': {times.dtype} is no time", hint=HINT)
        return _of_numbers(times.cast(pl.Float64, strict=False).drop_nulls(), times.name) or "order"
    text = times.str.strip_chars()
    number = text.cast(pl.Float64, strict=False)
    other = text.filter(number.is_null() & text.is_not_null() & (text.str.len_bytes() > 0))
    unit = _of_numbers(number.drop_nulls(), times.name)
    if not len(other):
        return unit or "order"
    readable = _sample(other, "iso")
    if unit and readable:
        raise DataError(f"time column '{times.name}' mixes numbers and dates, as {other[0]!r}", hint=HINT)
    if not unit and not readable:
        raise DataError(f"time column '{times.name}': {other[0]!r} is no time", hint=DATE_HINT)
    return unit or "iso"


def _of_numbers(number: pl.Series, name: str) -> str | None:
    """Return the unit by magnitude, or None where there are no numbers."""
    finite = number.filter(number.abs() < float(MOST))  # which also drops what is no number
    if not len(finite):
        return None
    size = finite.abs()
    bounds = [*FIRST.values(), float("inf")]
    counts = {unit: int(size.is_between(low, high, closed="left").sum()) for unit, low, high in _ranges(bounds)}
    met = [unit for unit, count in counts.items() if count]
    if len(met) > 1:
        listing = ", ".join(f"{counts[unit]:,} in {unit}" for unit in met)
        raise DataError(f"time column '{name}' mixes units: {listing}", hint=HINT)
    if met:
        return met[0]
    whole = (finite >= 19_000_101) & (finite <= 21_001_231) & (finite == finite.round())
    if whole.all() and _sample(finite.cast(int).cast(str), "iso", share=1.0):
        return "iso"
    return "order"


def _ranges(bounds: list[float]) -> list[tuple[str, float, float]]:
    return list(zip(FIRST, bounds, bounds[1:], strict=False))


def _sample(texts: pl.Series, unit: str, *, share: float = 0.0) -> bool:
    """Say whether more than (or just) this share of the first texts can be read."""
    import polars as pl

    first = texts.head(LOOKED_AT).alias("time").to_frame()
    read = first.select(to_micros(pl.col("time"), unit)).to_series().is_not_null().mean()
    return isinstance(read, float) and (read > share or read == share == 1.0)


def to_micros(column: pl.Expr, unit: str, dtype: pl.DataType | type[pl.DataType] | None = None) -> pl.Expr:
    """Return the expression that makes int64 microseconds of a column; null where no time can be read.

    Args:
        column: The column.
        unit: As `detect` found it.
        dtype: Type of the column; a string without one.
    """
    import polars as pl

    if unit == "datetime":
        return column.cast(pl.Datetime("us")).cast(pl.Int64)
    text = dtype is None or dtype == pl.String
    if unit == "iso":
        return _from_dates((column if text else column.cast(pl.Int64).cast(pl.String)).str.strip_chars())
    value = column.str.strip_chars() if text else column
    # Whole numbers stay whole: a nanosecond count has more digits than a float can hold.
    exact = value.cast(pl.Int64, strict=False)
    real = value.cast(pl.Float64, strict=False)
    factor = MICROS.get(unit)
    if factor is None:
        of_exact, of_real = exact // 1000, real / 1000
    else:
        of_exact = pl.when(exact.is_between(-(MOST // factor), MOST // factor)).then(exact * factor)
        of_real = real * factor
    whole = pl.when(of_real.is_finite() & (of_real.abs() < float(MOST))).then(of_real).round().cast(pl.Int64)
    typed_float = dtype is not None and not text and dtype.is_float()
    return whole if typed_float else pl.coalesce(of_exact, whole)


def _from_dates(text: pl.Expr) -> pl.Expr:
    import polars as pl

    plain = (
        text.str.replace(r"^(\d{4})/(\d{1,2})/", "$1-$2-")
        .str.replace(r"^(\d{1,2})\.(\d{1,2})\.(\d{4})\b", "$3-$2-$1")  # with dots the day comes first everywhere
        .str.replace(r"(\d)T(\d)", "$1 $2")
        .str.replace(r"\s?(Z|UTC)$", "+00:00")
        .str.replace(r"(:\d\d(?:\.\d+)?)\s?([+-]\d\d):?(\d\d)$", "$1$2:$3")
    )
    zoned = [plain.str.to_datetime(f, strict=False, time_unit="us", time_zone="UTC").cast(pl.Int64) for f in ZONED]
    naive = [plain.str.to_datetime(f, strict=False, time_unit="us").cast(pl.Int64) for f in PLAIN]
    dates = [plain.str.to_date(f, strict=False).cast(pl.Datetime("us")).cast(pl.Int64) for f in DATES]
    return pl.coalesce(*zoned, *naive, *dates)


def parse_time(text: str, unit: str) -> int:
    """Return the microseconds of one time as a user writes it: a date, or a number in the file's unit.

    Raises:
        ConfigError: It is neither.
    """
    import polars as pl

    one = pl.DataFrame({"time": [text]})
    units = ("iso",) if unit in ("iso", "datetime") else ("iso", unit) if "-" in text.lstrip("-") else (unit,)
    for candidate in units:
        micros = one.select(to_micros(pl.col("time"), candidate)).item()
        if micros is not None:
            return int(micros)
    raise ConfigError(
        f"'{text}' is no time in the file's unit ({unit})",
        hint="give a date such as 2024-06-30, or a number in that unit",
    )
