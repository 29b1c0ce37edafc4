"""The catalogue and the users: ids in order, attributes as given, texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reccli.preparation.attributes import is_id, typed
from reccli.preparation.texts import (
    fill_template,
    item_template,
    plain_text,
    template_fields,
    title_column,
    user_template,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Profiles", "item_frame", "profiles", "union_ids", "user_frame"]

CODE = "<code>"
"""Column of codes while the attributes still have their own names."""
RESERVED = {"item": ("item", "item_id", "title", "text"), "user": ("user", "user_id", "text")}


@dataclass(frozen=True)
class Profiles:
    """One row per id from an items or users file.

    Args:
        frame: Column `id` and the attributes, typed.
        rows: Rows of the file.
        repeated: Rows dropped because their id came before.
        blank: Rows dropped because they have no id.
    """

    frame: pl.DataFrame
    rows: int
    repeated: int
    blank: int


def profiles(raw: pl.LazyFrame, id_column: str) -> Profiles:
    """Read an items or users file: ids as strings, the first row of an id, attributes typed."""
    import polars as pl

    frame = raw.collect()
    ids = frame[id_column].cast(pl.String)
    named = ids.is_not_null() & (ids.str.strip_chars() != "")
    first = ids.is_first_distinct() & named
    attributes = typed(frame.drop(id_column).filter(first))
    attributes = attributes.rename({"id": "id_"} if "id" in attributes.columns else {})
    table = attributes.insert_column(0, ids.filter(first).rename("id"))
    blank = int((~named).sum())
    return Profiles(table, frame.height, frame.height - blank - table.height, blank)


def union_ids(seen: pl.Series, listed: pl.Series | None) -> pl.Series:
    """Unite ids of interactions with those of a file, sorted."""
    import polars as pl

    if listed is None:
        return seen
    return pl.concat([seen.rename("id"), listed.rename("id")]).unique().sort()


def item_frame(
    ids: pl.Series, known: Profiles | None, *, template: str | None, roles: dict[str, str]
) -> tuple[pl.DataFrame, list[str]]:
    """Build the `items` artifact.

    Args:
        ids: The catalogue's ids in code order.
        known: Rows of the items file, or None.
        template: Template of texts; chosen from the columns without one.
        roles: Columns by role that the format fixes (`text`, `title`).

    Returns:
        The frame, and the columns that the texts are made of (none: there is no text).
    """
    import polars as pl

    frame = _joined(ids, known)
    columns = [] if known is None else [column for column in known.frame.columns if column != "id"]
    title = roles.get("title") if roles.get("title") in columns else title_column(columns)
    if template is None:
        fixed = roles.get("text")
        template = "{" + fixed + "}" if fixed in columns else item_template(columns)
    if template is None:
        template = _prose_template(frame, columns)
    empty = pl.Series("text", [None], pl.String).new_from_index(0, frame.height)
    text, used = empty, []
    if template is not None:
        text = fill_template(frame.select("id", *columns), template, what="item text")
        used = [name for _, name in template_fields(template, ["id", *columns], what="item text") if name]
    names = empty if title is None else plain_text(frame, title)
    return _finish(frame, "item", columns, {"title": names, "text": text}, used=title), list(dict.fromkeys(used))


def user_frame(
    ids: pl.Series, known: Profiles | None, *, template: str | None, history: pl.Series | None
) -> pl.DataFrame:
    """Build the `users` artifact.

    Args:
        ids: User ids in code order.
        known: Rows of the users file, or None.
        template: Template of texts; all attributes without one.
        history: Titles of each user's training history, for `{history}`.
    """
    import polars as pl

    frame = _joined(ids, known)
    columns = [] if known is None else [column for column in known.frame.columns if column != "id"]
    template = template or user_template([column for column in columns if not is_id(column)])
    text = pl.Series("text", [None], pl.String).new_from_index(0, frame.height)
    if template is not None:
        source = frame.select("id", *columns)
        if history is not None:
            source = source.with_columns(history=history)
        text = fill_template(source, template, what="user text")
    return _finish(frame, "user", columns, {"text": text}, used=None)


def _joined(ids: pl.Series, known: Profiles | None) -> pl.DataFrame:
    import polars as pl

    frame = pl.DataFrame({CODE: pl.int_range(len(ids), dtype=pl.UInt32, eager=True), "id": ids})
    if known is None:
        return frame
    return frame.join(known.frame, on="id", how="left", maintain_order="left")


def _finish(
    frame: pl.DataFrame, what: str, columns: list[str], made: dict[str, pl.Series], *, used: str | None
) -> pl.DataFrame:
    """Put the artifact's own columns first; attributes whose names they have get a trailing underscore."""
    import polars as pl

    own = [frame[CODE].alias(what), frame["id"].alias(f"{what}_id")]
    own += [series.alias(name) for name, series in made.items()]
    taken = {*RESERVED[what]}
    attributes = []
    for column in columns:
        if column == used == "title":
            continue  # it is the title already
        name = column
        while name in taken:
            name += "_"
        taken.add(name)
        attributes.append(frame[column].alias(name))
    return pl.DataFrame([*own, *attributes])


def _prose_template(frame: pl.DataFrame, columns: list[str]) -> str | None:
    """Choose text columns by their content where no name is known: strings with letters, ids left out."""
    import polars as pl

    wordy = [
        column
        for column in columns
        if frame.schema[column] == pl.String and not is_id(column) and _wordy(frame[column].drop_nulls().head(1000))
    ]
    return ", ".join("{" + column + "}" for column in wordy) or None


def _wordy(cells: pl.Series) -> bool:
    return 2 * int(cells.str.contains(r"\p{L}{3}").sum()) > len(cells)
