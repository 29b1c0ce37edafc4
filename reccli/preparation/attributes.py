"""Attributes with their types: a column becomes numbers, truth values or dates only if every cell is one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["infer_type", "is_id", "typed"]

WHOLE = r"^(0|-?[1-9]\d{0,17})$"
NUMBER = r"^-?(0|[1-9]\d{0,14})(\.\d+)?([eE][+-]?\d{1,2})?$"
DATE = r"^\d{4}-\d{2}-\d{2}$"
ID_NAMES = re.compile(r"(^|_)(id|ids|code|isbn\d*|asin|ean|upc|sku|uuid|guid|zip|zipcode|zip_code|postcode|phone)$")


def is_id(name: str) -> bool:
    """Whether a column's name says that it holds identifiers, which stay strings (`imdbId`, `isbn`, `zip_code`)."""
    return bool(ID_NAMES.search(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace(" ", "_")))


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Give every column of strings its type; blank cells become null."""
    return frame.with_columns(infer_type(column) for column in frame.get_columns())


def infer_type(column: pl.Series) -> pl.Series:
    """Give one column its type; anything else than strings stays.

    `007` and `1e400` are no numbers: whatever would not come back as it was stays a string.
    """
    import polars as pl

    if column.dtype != pl.String:
        return column
    cells = column.str.strip_chars()
    cells = pl.select(pl.when(cells != "").then(cells).alias(column.name)).to_series()
    known = cells.drop_nulls()
    if known.is_empty() or is_id(column.name):
        return cells
    if known.str.contains(WHOLE).all():
        return cells.cast(pl.Int64)
    if known.str.contains(NUMBER).all() and known.cast(pl.Float64).is_finite().all():
        return cells.cast(pl.Float64)
    if known.str.to_lowercase().is_in(["true", "false"]).all():
        return cells.str.to_lowercase() == "true"
    if known.str.contains(DATE).all() and known.str.to_date("%Y-%m-%d", strict=False).null_count() == 0:
        return cells.str.to_date("%Y-%m-%d")
    return cells
