"""Malformed rows: found with their reasons, then refused with their line numbers, or dropped and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reccli.errors import DataError
from reccli.preparation.coding import bad_ids
from reccli.preparation.ledger import Ledger, Place
from reccli.preparation.reading import Raw, Source, blank_values, locate

if TYPE_CHECKING:
    import polars as pl

__all__ = ["BadRows", "drop_bad_rows", "find_bad_rows", "refuse_bad_rows"]

LISTED = 5
"""Malformed rows that the error lists."""


@dataclass(frozen=True)
class BadRows:
    """Malformed rows.

    Args:
        masks: Reason and mask over all rows; a row stands under its first reason alone.
        unread: Rows that the reader set aside: place and reason.
    """

    masks: Sequence[tuple[str, pl.Series]]
    unread: Sequence[tuple[Place, str]]

    @property
    def count(self) -> int:
        """How many rows are malformed."""
        return len(self.unread) + sum(int(mask.sum()) for _, mask in self.masks)

    @property
    def mask(self) -> pl.Series | None:
        """All malformed rows, or None."""
        found = None
        for _, mask in self.masks:
            found = mask if found is None else found | mask
        return found


def find_bad_rows(raw: Raw, sources: Sequence[Source], *, value_name: str = "value") -> BadRows:
    """Find rows without usable ids, with a value that is no finite number, or with a time that is none.

    Args:
        raw: Rows as read; `time`, where there is one, in microseconds and null where it could not be read.
        sources: The files.
        value_name: What the value is called in messages.
    """
    found: list[tuple[str, pl.Series]] = []
    frame = raw.frame
    for role in ("user", "item"):
        found += _bad_ids(frame[role], raw.present[role], role)
    if "value" in frame.columns:
        value = frame["value"]
        if value.null_count():
            blank = blank_values(sources)
            found += [(f"no {value_name}", blank), (f"{value_name} is not a number", value.is_null() & ~blank)]
        found.append((f"{value_name} is not finite", ~value.is_finite().fill_null(value=True)))
    if "time" in frame.columns:
        found.append(("time cannot be read", frame["time"].is_null()))
    masks, seen = [], None
    for reason, mask in found:
        mine = mask if seen is None else mask & ~seen
        if mine.any():
            masks.append((reason, mine))
            seen = mask if seen is None else seen | mask
    unread = [
        (Place(source.name, line, text), reason) for source in sources for line, reason, text in source.table.bad_rows
    ]
    return BadRows(masks, unread)


def refuse_bad_rows(bad: BadRows, raw: Raw, sources: Sequence[Source]) -> None:
    """Raise the error that lists the first malformed rows.

    Raises:
        DataError: Always.
    """
    first = sorted((int(row), reason) for reason, mask in bad.masks for row in mask.arg_true().head(LISTED).to_list())[
        :LISTED
    ]
    places = locate(sources, raw.start, [row for row, _ in first])
    order = {source.name: number for number, source in enumerate(sources)}
    listed = [(place, reason) for place, (_, reason) in zip(places, first, strict=True)]
    listed += bad.unread[:LISTED]
    listed.sort(key=lambda entry: (order[entry[0].file], entry[0].line))
    rows = ", ".join(
        f"{place.file if len(sources) > 1 else ''} line {place.line}: {reason} ({place.text[:60]!r})".strip()
        for place, reason in listed[:LISTED]
    )
    more = f" and {bad.count - LISTED:,} more" if bad.count > LISTED else ""
    what = "1 malformed row" if bad.count == 1 else f"{bad.count:,} malformed rows"
    where = f"{sources[0].name}: " if len(sources) == 1 else ""
    hint = "mend the lines, or give --drop-bad-rows to drop and count them"
    if all(reason.startswith("no ") and not reason.endswith(" id") for _, reason in listed):
        hint += ", or --value-column none to take every row as an interaction"
    raise DataError(f"{where}{what}: {rows}{more}", hint=hint)


def drop_bad_rows(bad: BadRows, ledger: Ledger) -> None:
    """Enter the malformed rows in the ledger."""
    for place, reason in bad.unread:
        ledger.drop(reason, 1, place=place)
    for reason, mask in bad.masks:
        ledger.drop(reason, int(mask.sum()), first_row=int(mask.arg_true()[0]))


def _bad_ids(column: pl.Series, present: pl.Series, role: str) -> list[tuple[str, pl.Series]]:
    import polars as pl

    names = present.drop_nulls().cast(pl.String)
    found = []
    if column.null_count():
        found.append((f"no {role} id", column.is_null()))
    for reason, mask in bad_ids(names):
        if mask.any():
            which = column.cast(pl.String).is_in(names.filter(mask).implode()).fill_null(value=False)
            found.append((f"no {role} id" if reason == "blank" else f"{role} id {reason}", which))
    return found
