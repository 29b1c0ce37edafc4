"""Units of times are told from magnitudes; what cannot be told is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from reccli.errors import ConfigError, DataError
from reccli.intake import times
from reccli.settings import PrepareSettings

MOMENT = 1_260_759_144  # seconds
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def detect(values, unit="auto", dtype=None):
    return times.detect(pl.Series("when", values, dtype=dtype), PrepareSettings(time_unit=unit))


def micros(values, unit, dtype=None):
    series = pl.Series("when", values, dtype=dtype)
    return series.to_frame().select(times.to_micros(pl.col("when"), unit, series.dtype)).to_series().to_list()


@pytest.mark.fault(75)
@pytest.mark.parametrize("unit", PER_SECOND)
@pytest.mark.parametrize("cast", [str, int, lambda n: f" {n} "])
def test_f75_units_by_magnitude(unit, cast):
    values = [cast(MOMENT * PER_SECOND[unit]), cast((MOMENT + 1) * PER_SECOND[unit])]
    assert detect(values) == unit
    assert micros(values, unit) == [MOMENT * 10**6, (MOMENT + 1) * 10**6]


@pytest.mark.fault(75)
@pytest.mark.parametrize("years", [(1980, 1990), (2000, 2030), (2100, 9999)])
@pytest.mark.parametrize("unit", PER_SECOND)
def test_f75_all_years_of_a_unit_are_of_one_unit(unit, years):
    stamps = [round(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * PER_SECOND[unit] for year in years]
    if max(stamps) < 2**63:
        assert detect([str(stamp) for stamp in stamps]) == unit


@pytest.mark.fault(75)
def test_f75_fractions_of_a_second():
    assert detect(["1260759144.5", "1260759145"]) == "s"
    assert micros(["1260759144.5", "1260759145", "1e9"], "s") == [1_260_759_144_500_000, 1_260_759_145_000_000, 10**15]
    assert micros([1260759144.25], "s", pl.Float64) == [1_260_759_144_250_000]


@pytest.mark.fault(75)
@pytest.mark.parametrize("others", [("ms",), ("us", "ns")])
def test_f75_mixed_units(others):
    values = [str(MOMENT)] * 3 + [str(MOMENT * PER_SECOND[unit]) for unit in others]
    with pytest.raises(DataError, match=f"'when' mixes units: 3 in s, 1 in {others[0]}") as error:
        detect(values)
    assert "--time-unit" in error.value.hint


@pytest.mark.fault(75)
def test_f75_numbers_and_dates():
    with pytest.raises(DataError, match="mixes numbers and dates"):
        detect([str(MOMENT), "2009-12-14"])


@pytest.mark.fault(75)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2009-12-14", datetime(2009, 12, 14)),
        ("2009/12/14", datetime(2009, 12, 14)),
        ("20091214", datetime(2009, 12, 14)),
        ("14.12.2009", datetime(2009, 12, 14)),
        ("3.4.2009 02:52", datetime(2009, 4, 3, 2, 52)),
        (" 2009-12-14 02:52:24", datetime(2009, 12, 14, 2, 52, 24)),
        ("2009-12-14T02:52", datetime(2009, 12, 14, 2, 52)),
        ("2009-12-14T02:52:24.125", datetime(2009, 12, 14, 2, 52, 24, 125_000)),
        ("2009-12-14T02:52:24Z", datetime(2009, 12, 14, 2, 52, 24)),
        ("2009-12-14 02:52:24 UTC", datetime(2009, 12, 14, 2, 52, 24)),
        ("2009-12-14T02:52:24.5+02:00", datetime(2009, 12, 14, 0, 52, 24, 500_000)),
        ("2009-12-14 02:52:24 -0330", datetime(2009, 12, 14, 6, 22, 24)),
        ("1969-12-31", datetime(1969, 12, 31)),
        ("9999-12-31", datetime(9999, 12, 31)),
        ("Wed Aug 27 13:08:45 +0000 2008", datetime(2008, 8, 27, 13, 8, 45)),
    ],
)
def test_f75_dates(text, expected):
    assert detect([text, None, ""]) == "iso"
    assert micros([text], "iso") == [(expected.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)]


@pytest.mark.fault(75)
def test_f75_typed_columns():
    for dtype in (pl.Datetime("ms"), pl.Datetime("ns"), pl.Datetime("us", "Europe/Berlin"), pl.Date):
        values = [date(2009, 12, 14)] if dtype == pl.Date else [datetime(2009, 12, 14, 0, 0)]
        series = pl.Series("when", values).cast(dtype)
        assert times.detect(series, PrepareSettings()) == "datetime"
        found = series.to_frame().select(times.to_micros(pl.col("when"), "datetime", dtype)).item()
        assert found == 1_260_748_800_000_000
    with pytest.raises(DataError, match="has no date"):
        detect([timedelta(1)])
    with pytest.raises(DataError, match="is no time"):
        detect([[1]])


@pytest.mark.fault(76)
def test_f76_small_and_negative_times_have_the_unit_of_the_others():
    values = [str(MOMENT), "0", "-86400", "253402300799"]
    assert detect(values) == "s"
    assert micros(values, "s") == [MOMENT * 10**6, 0, -86_400_000_000, 253_402_300_799_000_000]


@pytest.mark.fault(76)
@pytest.mark.parametrize("value", [str(2**63), str(10**30), "nan", "inf", "-inf", "soon", "", None, "1e400"])
def test_f76_what_is_no_time_becomes_null(value):
    assert detect([str(MOMENT), value]) == "s"
    assert micros([str(MOMENT), value], "s") == [MOMENT * 10**6, None]


def test_positions_only_order():
    assert detect(["0", "1", "2"]) == "order"
    assert detect([5, 7]) == "order"
    assert detect([], dtype=pl.String) == "order"
    assert micros(["0", "2", "1.5"], "order") == [0, 2_000_000, 1_500_000]


def test_dates_without_dashes_are_not_positions():
    assert detect([20091214, 20091215]) == "iso"
    assert micros([20091214], "iso") == [1_260_748_800_000_000]
    assert detect(["20091214", "20099999"]) == "order"


def test_the_unit_can_be_set():
    assert detect(["5"], "ms") == "ms"
    assert micros(["5"], "ms") == [5_000]
    assert micros(["5999"], "ns") == [5]


@pytest.mark.fault(75)
def test_f75_no_times_at_all():
    with pytest.raises(DataError, match="'soon' is no time"):
        detect(["soon", "later"])


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("2009-12-14", "s", 1_260_748_800_000_000),
        ("2009-12-14", "datetime", 1_260_748_800_000_000),
        (str(MOMENT), "s", MOMENT * 10**6),
        (str(MOMENT * 1000), "ms", MOMENT * 10**6),
        ("-5", "s", -5_000_000),
        ("17", "order", 17_000_000),
    ],
)
def test_a_time_as_a_user_writes_it(text, unit, expected):
    assert times.parse_time(text, unit) == expected


@pytest.mark.parametrize(("text", "unit"), [("soon", "s"), ("12", "iso"), ("", "s")])
def test_a_time_that_is_none(text, unit):
    with pytest.raises(ConfigError, match="is no time"):
        times.parse_time(text, unit)


WHOLE = st.integers(-(2**63), 2**63 - 1).map(str)
REAL = st.decimals(-(10**9), 10**9, places=3, allow_nan=False).map(str)


@pytest.mark.fault(75, 76)
@profile(max_examples=200, deadline=None)
@given(st.one_of(WHOLE, REAL), st.sampled_from(["s", "ms", "us"]))
def test_micros_equal_exact_arithmetic(text, unit):
    exact = Decimal(text) * 10**6 / PER_SECOND[unit]
    (found,) = micros([text], unit, pl.String)
    if abs(exact) > 2**63 - 1:
        assert found is None
    else:
        assert found is not None
        rounding = 0 if "." not in text else 1  # half a microsecond lies beyond a float's digits
        assert abs(found - exact.quantize(Decimal(1), ROUND_HALF_EVEN)) <= rounding
