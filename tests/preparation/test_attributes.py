"""Types are inferred exactly or not at all."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from reccli.preparation.attributes import infer_type, is_id, typed


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", " 2 ", "", None, "-3"], [1, 2, None, None, -3]),
        (["1", "2.5", "1e3"], [1.0, 2.5, 1000.0]),
        (["true", "False", "TRUE"], [True, False, True]),
        (["2020-02-29", "1999-12-31"], [date(2020, 2, 29), date(1999, 12, 31)]),
        (["2021-02-29"], ["2021-02-29"]),
        (["007", "7"], ["007", "7"]),
        (["1e400"], ["1e400"]),
        (["nan", "1"], ["nan", "1"]),
        (["12345678901234567890"], ["12345678901234567890"]),
        (["1", "x"], ["1", "x"]),
        (["", None], [None, None]),
    ],
)
def test_inferred(cells: list[str | None], expected: list[object]) -> None:
    assert infer_type(pl.Series("a", cells, dtype=pl.String)).to_list() == expected


def test_ids_are_never_numbers() -> None:
    frame = pl.DataFrame({"imdbId": ["1", "2"], "isbn": ["1", "2"], "zip_code": ["1", "2"], "year": ["1", "2"]})
    assert [str(dtype) for dtype in typed(frame).dtypes] == ["String", "String", "String", "Int64"]
    assert not is_id("idea")
    assert not is_id("video")


def test_types_of_the_format_stay() -> None:
    column = pl.Series("a", [1.5, None])
    assert infer_type(column) is column
