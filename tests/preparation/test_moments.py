"""Times of files, judged fast by their ends where that is enough."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from reccli.api.reader import Table
from reccli.errors import ConfigError, DataError
from reccli.preparation.moments import Moments, read_times
from reccli.preparation.reading import Raw, Source
from reccli.settings import PrepareSettings


def read(cells: list[object], unit: str = "auto") -> tuple[list[int | None], Moments]:
    column = pl.Series("time", cells, strict=False)
    table = Table(column.to_frame().lazy(), Path("r.csv"))
    whole = column.cast(pl.Int64, strict=False) if column.dtype == pl.String else column
    raw, moments = read_times(
        Raw(whole.to_frame(), (0, len(cells)), {}),
        [Source(table, {"time": "time"})],
        PrepareSettings(time_unit=unit),  # type: ignore[arg-type]
    )
    return raw.frame["time"].to_list(), moments


@pytest.mark.parametrize(
    ("factor", "unit", "step"), [(1, "s", 1_000_000), (1_000, "ms", 1_000), (1_000_000, "us", 1), (10**9, "ns", 1)]
)
def test_units_by_magnitude(factor: int, unit: str, step: int) -> None:
    micros, moments = read([1_000_000_000 * factor, 1_600_000_000 * factor])
    assert micros == [10**15, 16 * 10**14]
    assert (moments.unit, moments.step, moments.comparable) == (unit, step, True)


def test_whole_numbers_and_the_long_way_agree() -> None:
    plain = ["1000000000", "1600000000"]
    assert read(plain)[0] == read([*plain, "1600000000.0"])[0][:2] == read([int(cell) for cell in plain])[0]


def test_dates_and_positions() -> None:
    assert read(["2001-09-09", "2001-09-09T01:46:40Z"])[0] == [999_993_600_000_000, 10**15]
    micros, moments = read(["0", "1", "2"])
    assert micros == sorted(set(micros))
    assert (moments.unit, moments.comparable) == ("order", False)


@pytest.mark.fault(75)
def test_mixed_units_are_refused() -> None:
    with pytest.raises(DataError, match="mixes units"):
        read(["1000000000", "1600000000000"])


def test_a_cell_that_is_no_time_is_null() -> None:
    assert read(["1000000000", "soon", None])[0] == [10**15, None, None]


def test_points_and_how_they_are_shown() -> None:
    moments = Moments("s")
    assert moments.point("2001-09-09") == 999_993_600_000_000
    assert moments.point("1000000000") == 10**15
    assert moments.show(999_993_600_000_000) == "2001-09-09"
    assert moments.show(10**15) == "2001-09-09 01:46:40"
    assert moments.show(2**62) == str(2**62)
    with pytest.raises(ConfigError):
        moments.point("yesterday")


def test_no_times() -> None:
    raw = Raw(pl.DataFrame({"user": ["a"]}), (0, 1), {})
    assert read_times(raw, [], PrepareSettings()) == (raw, Moments(None))
