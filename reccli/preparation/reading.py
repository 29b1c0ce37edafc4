"""Reading interaction files: one streaming pass that casts and codes, so that no string outlives its chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reccli.api.reader import Table
from reccli.errors import DataError
from reccli.preparation.ledger import Place

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Raw", "Source", "blank_values", "locate", "raw_times", "read_sources", "require_same_roles"]

ROLES = ("user", "item", "value", "time", "event", "part")
CODED = ("user", "item", "event", "part")
BLANKS = " \t\r\n\f\v"


@dataclass(frozen=True)
class Source:
    """One interactions file.

    Args:
        table: The opened file.
        roles: Column of each role (`user`, `item`, and `value`, `time`, `event`, `part` where there are any).
        part: Code of the part that all its rows are given to, or None.
    """

    table: Table
    roles: Mapping[str, str]
    part: int | None = None

    @property
    def name(self) -> str:
        """Name of the file for messages."""
        return self.table.path.name


@dataclass(frozen=True)
class Raw:
    """All rows as read, in file order.

    Args:
        frame: `user`, `item`, and `event`, `part` where there are any (categorical, null where the cell is empty);
            `value` (f32, null or not finite where the cell is no finite number); `time` (whole numbers, null where the
            cell is none; as it stands where the format has types).
        start: Number of the first row of each source, and the number of all rows.
        present: Distinct values of `user` and `item`, in any order.
        notes: What was read in an unusual way.
    """

    frame: pl.DataFrame
    start: tuple[int, ...]
    present: Mapping[str, pl.Series]
    notes: tuple[str, ...] = ()


def read_sources(sources: Sequence[Source], roles: Sequence[str]) -> Raw:
    """Read some roles of all sources.

    Args:
        sources: The files.
        roles: Roles to read; every source has them, but for `part`, which a source may have as a whole.
    """
    import polars as pl

    types = {role: pl.Categorical(pl.Categories.random(role)) for role in CODED}
    frames, notes = [], []
    for source in sources:
        columns = [_column(source, role, types) for role in roles]
        frame = collected(source, columns)
        if "value" in roles and frame["value"].null_count():
            value, commas = _mended_values(source)
            frame = frame.with_columns(value)
            if commas:
                notes.append(f"{source.name}: the comma in '{source.roles['value']}' is read as a decimal point")
        frames.append(frame)
    start = np.cumsum([0, *(frame.height for frame in frames)])
    whole = pl.concat(frames, how="vertical_relaxed")
    present = {role: whole[role].unique() for role in ("user", "item")}
    return Raw(whole, tuple(int(number) for number in start), present, tuple(notes))


def _column(source: Source, role: str, types: Mapping[str, pl.DataType]) -> pl.Expr:
    import polars as pl

    if role == "part" and source.part is not None:
        name = ("train", "valid", "test")[source.part]
        return pl.lit(name).cast(types[role]).alias(role)
    column = pl.col(source.roles[role])
    if role in CODED:
        return column.cast(pl.String).cast(types[role]).alias(role)
    if role == "value":
        return column.cast(pl.Float64, strict=False).cast(pl.Float32).alias(role)
    text = source.table.frame.collect_schema()[source.roles[role]] == pl.String
    return (column.cast(pl.Int64, strict=False) if text else column).alias(role)


def raw_times(sources: Sequence[Source]) -> pl.Series:
    """Read the times of all sources as they stand."""
    import polars as pl

    columns = [collected(source, [pl.col(source.roles["time"]).alias("time")]) for source in sources]
    return pl.concat(columns, how="vertical_relaxed").to_series()


def _mended_values(source: Source) -> tuple[pl.Series, bool]:
    """Read values again with blanks around them stripped; only files where plain casting failed pay for it.

    Returns:
        The values, and whether commas stand for decimal points in them.
    """
    import polars as pl

    cell = pl.col(source.roles["value"]).cast(pl.String).str.strip_chars(BLANKS).alias("value")
    cells = collected(source, [cell]).to_series()
    commas = source.table.found.get("delimiter", ",") != "," and _decimal_commas(cells)
    cells = cells.str.replace(",", ".", literal=True) if commas else cells
    return cells.cast(pl.Float64, strict=False).cast(pl.Float32), commas


def _decimal_commas(cells: pl.Series) -> bool:
    """Whether all numbers are as 4 and 4,5, and not all as 1,234, which may mean thousands."""
    told = cells.filter(cells.str.len_bytes() > 0).unique()
    broken = told.filter(told.str.contains(r"^[+-]?\d*,\d+$"))
    whole = told.str.contains(r"^[+-]?\d+$").sum()
    return len(broken) > 0 and len(broken) + whole == len(told) and not broken.str.contains(r",\d{3}$").all()


def blank_values(sources: Sequence[Source]) -> pl.Series:
    """Mark the rows of all sources whose value is empty."""
    import polars as pl

    masks = []
    for source in sources:
        cell = pl.col(source.roles["value"]).cast(pl.String).str.strip_chars(BLANKS)
        masks.append(collected(source, [(cell.is_null() | (cell == "")).alias("blank")]).to_series())
    return pl.concat(masks)


def locate(sources: Sequence[Source], start: Sequence[int], rows: Sequence[int]) -> list[Place]:
    """Find file, line and text of some rows by their numbers."""
    from reccli import intake

    places: dict[int, Place] = {}
    for number, source in enumerate(sources):
        mine = sorted({row for row in rows if start[number] <= row < start[number + 1]})
        if mine:
            with intake.reading(source.table.path):
                found = intake.locate(source.table, [row - start[number] for row in mine])
            places |= {row: Place(source.name, line, text) for row, (line, text) in zip(mine, found, strict=True)}
    return [places[row] for row in rows]


def collected(source: Source, columns: Sequence[pl.Expr]) -> pl.DataFrame:
    """Read some columns in one streaming pass, in file order."""
    from reccli import intake

    with intake.reading(source.table.path):
        return source.table.frame.select(columns).collect(engine="streaming")


def require_same_roles(sources: Sequence[Source]) -> list[str]:
    """Return the roles that all sources have.

    Raises:
        DataError: Some files have a column for values or events and others have none.
    """
    found = []
    for role in ROLES:
        have = [source for source in sources if role in source.roles or (role == "part" and source.part is not None)]
        if len(have) == len(sources):
            found.append(role)
        elif have and role != "time":
            lacking = next(source for source in sources if all(source is not other for other in have))
            raise DataError(
                f"{have[0].name} has a column for the {role} and {lacking.name} has none",
                hint=f"give files with the same columns, or --{role}-column",
            )
    return found
