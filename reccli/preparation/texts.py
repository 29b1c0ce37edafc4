"""Texts of items and users by a template over their columns, as `{title} ({genres})`."""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING

from reccli.errors import ConfigError, one_of

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "HISTORY_FIELD",
    "HISTORY_LENGTH",
    "fill_template",
    "history_texts",
    "item_template",
    "plain_text",
    "template_fields",
    "title_column",
    "user_template",
]

TITLES = ("title", "name", "movie_title", "item_title", "item_name", "product_title", "product_name", "book_title",
          "original_title", "artist_name", "track_name", "song", "app_name", "genid_text")  # fmt: skip
DETAILS = ("genres", "genre", "class", "categories", "category", "authors", "author", "book_author", "artist", "brand",
           "publisher", "main_category", "type", "year", "tags", "keywords")  # fmt: skip
PROSE = ("description", "overview", "summary", "abstract", "plot", "text", "review", "features")
HISTORY_FIELD = "history"
HISTORY_LENGTH = 20
"""Titles in `{history}`, the newest."""


def template_fields(template: str, columns: list[str], *, what: str) -> list[tuple[str, str | None]]:
    """Take a template apart into literal text and the column after it.

    Raises:
        ConfigError: It is malformed or names a column that is not there.
    """
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise ConfigError(f"{what} template {template!r}: {error}", hint="write it as '{title} ({genres})'") from None
    fields = []
    for literal, name, form, conversion in parsed:
        if name is not None and name not in columns:
            raise one_of(f"column in the {what} template", name, columns)
        if form or conversion:
            raise ConfigError(f"{what} template {template!r}: a field is a column's name and nothing more")
        fields.append((literal, name))
    if not any(name for _, name in fields):
        raise ConfigError(f"{what} template {template!r} names no column", hint="write it as '{title} ({genres})'")
    return fields


def title_column(columns: list[str]) -> str | None:
    """Find the column with names for people."""
    return _first(columns, TITLES)


def item_template(columns: list[str]) -> str | None:
    """Choose a template for items from the columns with text: title, details in brackets, then prose."""
    title = title_column(columns)
    details = [found for name in DETAILS if (found := _first(columns, (name,))) is not None and found != title]
    prose = [found for name in PROSE if (found := _first(columns, (name,))) is not None and found != title]
    parts = []
    if title:
        parts.append("{" + title + "}" + (f" ({_listed(details)})" if details else ""))
    elif details:
        parts.append(_listed(details))
    parts += ["{" + name + "}" for name in prose[:1]]
    return ": ".join(parts) or None


def user_template(columns: list[str]) -> str | None:
    """Choose a template for users: all their columns."""
    return _listed(columns) if columns else None


def fill_template(frame: pl.DataFrame, template: str, *, what: str) -> pl.Series:
    """Fill a template for every row; brackets and separators around missing values vanish, all missing gives null.

    `|` between entries of a list becomes a comma.
    """
    import polars as pl

    fields = template_fields(template, frame.columns, what=what)
    names = [name for _, name in fields if name]
    plain = frame.select(_plain(frame, name) for name in dict.fromkeys(names))
    pieces = [
        piece
        for literal, name in fields
        for piece in ([pl.lit(literal)] if literal else []) + ([pl.col(name).fill_null("")] if name else [])
    ]
    tidy = pl.concat_str(pieces)
    for pattern, replacement in (
        (r"\(\s*(?:[,;/]\s*)+", "("),
        (r"(?:\s*[,;/])+\s*\)", ")"),
        (r"\(\s*\)|\[\s*\]|\"\s*\"", ""),
        (r"\s*,(?:\s*,)+", ","),
        (r"\s+", " "),
        (r"^(?:\s|[,;:.\-]\s)+|(?:[\s,;:]|\s-)+$", ""),
        (r"\.(?:\s+\.)+", "."),
        (r"\s+([,.;])(\s|$)", "$1$2"),
    ):
        tidy = tidy.str.replace_all(pattern, replacement)
    some = pl.any_horizontal(pl.col(name).is_not_null() for name in dict.fromkeys(names))
    return plain.select(pl.when(some & (tidy != "")).then(tidy).alias("text"))["text"]


def plain_text(frame: pl.DataFrame, name: str) -> pl.Series:
    """Return a column as text, blank cells as null, otherwise as it is."""
    import polars as pl

    text = pl.col(name).cast(pl.String).str.strip_chars()
    return frame.select(pl.when(text != "").then(text).alias(name)).to_series()


def history_texts(frame: pl.DataFrame, names: pl.Series, n_users: int) -> pl.Series:
    """Join the names of each user's newest training items, oldest first.

    Args:
        frame: `user` and `item` codes of the training rows, sorted by user, then time.
        names: What to call each item.
        n_users: Users, those without training rows included.
    """
    import polars as pl

    newest = frame.select("user", "item").group_by("user", maintain_order=True).tail(HISTORY_LENGTH)
    joined = (
        newest.with_columns(name=names.gather(newest["item"]))
        .group_by("user", maintain_order=True)
        .agg(pl.col("name").drop_nulls().str.join(", "))
    )
    users = pl.DataFrame({"user": pl.int_range(n_users, dtype=pl.UInt32, eager=True)})
    return users.join(joined, on="user", how="left", maintain_order="left")["name"]


def _plain(frame: pl.DataFrame, name: str) -> pl.Expr:
    import polars as pl

    dtype = frame.schema[name]
    if isinstance(dtype, pl.List | pl.Array):
        text = pl.col(name).cast(pl.List(pl.String)).list.drop_nulls().list.join(", ")
    else:
        text = pl.col(name).cast(pl.String)
    text = text.str.replace_all(r"\s*\|\s*", ", ").str.strip_chars()
    return pl.when(text != "").then(text).alias(name)


def _first(columns: list[str], wanted: tuple[str, ...]) -> str | None:
    plain = {column.lower().replace(" ", "_").replace("-", "_"): column for column in reversed(columns)}
    return next((plain[name] for name in wanted if name in plain), None)


def _listed(columns: list[str]) -> str:
    return ", ".join("{" + name + "}" for name in columns)
