"""Which column is what: by usual names, by the format, or as the user says."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reccli.errors import ConfigError, DataError
from reccli.intake.column_names import WANTED

if TYPE_CHECKING:
    import polars as pl

    from reccli.api import Table
    from reccli.settings import PrepareSettings

__all__ = ["assign", "has_usual_names", "with_text_ids"]

REQUIRED = {
    "interactions": ("user", "item"),
    "items": ("id",),
    "users": ("id",),
    "triples": ("head", "relation", "tail"),
}
SETTINGS = {
    "interactions": {r: f"{r}_column" for r in ("user", "item", "value", "time", "event", "split")},
    "items": {"id": "item_column"},
    "users": {"id": "user_column"},
    "triples": {},
}
IDS = ("user", "item", "id", "head", "relation", "tail")
LEAST_TIME = 10**8
"""Numbers from here on in a third column without a name are times, smaller ones are values."""


def assign(table: Table, settings: PrepareSettings, kind: str = "interactions") -> dict[str, str]:
    """Return the column of each role.

    Roles of interactions are `user` and `item`, which are always there, `value`, `time`, `event` and `split`; of items
    `id` and `title`; of users `id`; of triples `head`, `relation` and `tail`.

    Raises:
        ConfigError: A column that the settings name is not in the file, or serves two roles.
        DataError: There is no column for a role that must be there; the message has the nearest name.
    """
    columns = table.frame.collect_schema().names()
    found = _given(columns, settings, kind, str(table.path))
    for role, column in table.roles.items():
        role = {"items": {"item": "id"}, "users": {"user": "id"}}.get(kind, {}).get(role, role)
        if role in WANTED[kind] and column not in found.values():
            found.setdefault(role, column)
    nameless = all(re.fullmatch(r"column_\d+", column) for column in columns)
    if nameless:
        _by_position(table, columns, kind, found)
    for role, usual in WANTED[kind].items():
        if role not in found:
            free = {_plain(column): column for column in reversed(columns) if column not in found.values()}
            match = next((free[name] for name in usual if name in free), None)
            if match is not None:
                found[role] = match
    if kind == "triples" and len(columns) == 3 and len(found) < 3:
        found = dict(zip(WANTED[kind], columns, strict=True))
    for role in REQUIRED[kind]:
        if role not in found:
            raise _missing(table, columns, role, kind, found)
    return {role: found[role] for role in WANTED[kind] if role in found}


def has_usual_names(table: Table, kind: str) -> bool:
    """Say whether any column has a usual name of the kind."""
    usual = {name for names in WANTED[kind].values() for name in names}
    return any(_plain(column) in usual for column in table.frame.collect_schema().names())


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.split(":")[0]).lower()


def _given(columns: Sequence[str], settings: PrepareSettings, kind: str, path: str) -> dict[str, str]:
    found: dict[str, str] = {}
    by_plain = {column.lower(): column for column in reversed(columns)}
    for role, setting in SETTINGS[kind].items():
        name = getattr(settings, setting)
        if name is None:
            continue
        column = name if name in columns else by_plain.get(name.lower(), by_plain.get(f"column_{name}"))
        if column is None:
            if kind != "interactions":
                continue  # the setting names a column of the interactions, which side files need not share
            near = difflib.get_close_matches(name, columns, n=1, cutoff=0.5)
            guess = f"; did you mean '{near[0]}'?" if near else ""
            raise ConfigError(
                f"{setting}='{name}': {path} has no such column{guess} ({_listing(columns)})",
                hint=f"{_flag(setting)} COLUMN",
            )
        if column in found.values():
            other = next(r for r, c in found.items() if c == column)
            raise ConfigError(f"column '{column}' is to be both {other} and {role}", hint=f"{_flag(setting)} COLUMN")
        found[role] = column
    return found


def _by_position(table: Table, columns: Sequence[str], kind: str, found: dict[str, str]) -> None:
    """Fill roles of a file without names: user, item, then value and time."""
    free = [column for column in columns if column not in found.values()]
    if kind == "interactions":
        order = ["user", "item", "value", "time"]
        if len(columns) > len(order):
            return
        if len(columns) == 3 and _all_large(table, columns[2]):
            order = ["user", "item", "time"]
    else:
        order = list(WANTED[kind])
    for role in order:
        if role not in found and free:
            found[role] = free.pop(0)


def _all_large(table: Table, column: str) -> bool:
    import polars as pl

    first = table.frame.select(pl.col(column).cast(pl.Float64, strict=False)).head(20).collect().to_series()
    return bool((first >= LEAST_TIME).all()) and not first.is_null().any()


def _missing(table: Table, columns: Sequence[str], role: str, kind: str, found: Mapping[str, str]) -> DataError:
    usual = WANTED[kind][role]
    near = {_plain(column): column for column in columns if column not in found.values()}
    guesses = [match for name in usual[:12] for match in difflib.get_close_matches(name, near, n=1, cutoff=0.7)]
    guess = f"; did you mean '{near[guesses[0]]}'?" if guesses else ""
    setting = SETTINGS[kind].get(role)
    taken = next((r for r, column in found.items() if _plain(column) in (role, *usual)), None)
    if taken is not None and not guesses and SETTINGS[kind].get(taken):
        told = f"{table.path}: column '{found[taken]}' is taken as the {taken}, and no other serves as the {role}"
        return DataError(
            f"{told} ({_listing(columns)})", hint=f"for the {taken}: {_flag(SETTINGS[kind][taken])} COLUMN"
        )
    name = near[guesses[0]] if guesses else columns[0]
    hint = f"{_flag(setting)} '{name}'" if setting else f"rename the column to '{usual[0]}'"
    if len(columns) == 1:
        hint = f"only one column was found: set the delimiter with --sep, or {hint}"
    elif table.found.get("header") == "yes":
        hint += ", or --no-header if the first row is data"
    return DataError(f"{table.path}: no column for the {kind} role '{role}'{guess} ({_listing(columns)})", hint=hint)


def _flag(setting: str) -> str:
    short = setting in ("user_column", "item_column", "value_column", "time_column")
    return "--" + setting.replace("_column", "-col" if short else "-column")


def _listing(columns: Sequence[str]) -> str:
    return ", ".join(columns[:12]) + (", ..." if len(columns) > 12 else "")


def with_text_ids(table: Table, settings: PrepareSettings, kind: str) -> Table:
    """Return the table with its id columns as strings, exactly: an integer has no decimal point.

    Raises:
        DataError: An id column has values that are no ids (fractions, lists).
    """
    import polars as pl

    schema = table.frame.collect_schema()
    if all(dtype == pl.String for dtype in schema.values()):
        return table
    found = assign(table, settings, kind)
    casts = [
        _as_text(table, found[role], schema[found[role]])
        for role in IDS
        if role in found and schema[found[role]] != pl.String
    ]
    return replace(table, frame=table.frame.with_columns(casts)) if casts else table


def _as_text(table: Table, column: str, dtype: pl.DataType) -> pl.Expr:
    import polars as pl

    value = pl.col(column)
    if dtype.is_float() or dtype.is_decimal():
        if not _all_whole(table, column):
            raise DataError(
                f"{table.path}: the id column '{column}' has numbers that are not whole ({dtype})",
                hint="store ids as text or whole numbers",
            )
        return value.cast(pl.Int128).cast(pl.String)
    if dtype.is_integer() or dtype in (pl.Categorical, pl.Enum, pl.Boolean):
        return value.cast(pl.String)
    raise DataError(
        f"{table.path}: the id column '{column}' has the type {dtype}", hint="store ids as text or whole numbers"
    )


def _all_whole(table: Table, column: str) -> bool:
    import polars as pl

    value = pl.col(column).drop_nulls().cast(pl.Float64)
    # Beyond 2^53 neighbouring whole numbers are one and the same float, so ids could have merged already.
    whole = value.is_finite() & (value == value.round()) & (value.abs() <= 2**53)
    return bool(table.frame.select(whole.all()).collect().item())
