"""The files of MovieLens, in the shapes in which they were published."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from reccli.api import Reader, Table
from reccli.errors import DataError
from reccli.intake.chunks import line_chunks
from reccli.intake.delimited import Layout, TextTable, open_delimited
from reccli.intake.encodings import check_utf8

__all__ = ["MovieLens"]

RATINGS = ("user_id", "item_id", "rating", "timestamp")
COLONS = {
    "ratings": RATINGS,
    "tags": ("user_id", "item_id", "tag", "timestamp"),
    "movies": ("item_id", "title", "genres"),
    "users": ("user_id", "gender", "age", "occupation", "zip_code"),
}
"""Columns of the `::` files by stem."""
GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
ITEM = ("item_id", "title", "release_date", "video_release_date", "imdb_url")
USER = ("user_id", "age", "gender", "occupation", "zip_code")
FOLDERS = (
    ("ratings.csv", {"items": "movies.csv"}),
    ("ratings.dat", {"items": "movies.dat", "users": "users.dat"}),
    ("u.data", {"items": "u.item", "users": "u.user"}),
)
"""Ratings by which a folder is known, and what lies beside them."""


class MovieLens(Reader):
    """MovieLens: `::` files (`ratings.dat`), the headerless `u.data`, `u.item` and `u.user`, and folders of them.

    Notes:
        The nineteen genre flags of `u.item` become one column `genres` of names joined by `|`. Files that are not UTF-8
        are Latin-1, as the early ones are.
    """

    priority: ClassVar[int] = 30

    def recognises(self, path: Path, head: bytes) -> bool:
        """Say yes to the published names with the published shape, and to folders that hold ratings and movies."""
        if path.is_dir():
            return _in_folder(path) is not None
        first = head.split(b"\n", 1)[0]
        if _stem(path) in COLONS and b"::" in first:
            return _starts_with_number(first)
        return _hundred(path.name) is not None and _starts_with_number(first)

    def open(self, path: Path, *, delimiter: str | None, encoding: str | None, header: bool | None) -> Table:
        """Open the file."""
        if path.is_dir():
            return self._open_folder(path, delimiter=delimiter, encoding=encoding, header=header)
        encoding = encoding or _encoding(path)
        if _stem(path) in COLONS and _hundred(path.name) is None:
            layout = Layout(format="movielens", names=COLONS[_stem(path)], quoted=False)
            return open_delimited(path, layout, delimiter=delimiter or "::", encoding=encoding, header=bool(header))
        names, separator = _hundred(path.name) or (RATINGS, "\t")
        layout = Layout(format="movielens 100k", names=names, quoted=False)
        table = open_delimited(path, layout, delimiter=delimiter or separator, encoding=encoding, header=bool(header))
        return _with_genres(table) if names[: len(ITEM)] == ITEM else table

    def _open_folder(self, path: Path, *, delimiter: str | None, encoding: str | None, header: bool | None) -> Table:
        found = _in_folder(path)
        if found is None:
            raise DataError(
                f"{path}: no ratings.csv with movies.csv, ratings.dat or u.data", hint="name the file itself"
            )
        ratings, beside = found
        if ratings.suffix == ".csv":
            layout = Layout(format="movielens")
            table: Table = open_delimited(ratings, layout, delimiter=delimiter, encoding=encoding, header=header)
        else:
            table = self.open(ratings, delimiter=delimiter, encoding=encoding, header=header)
        companions = {kind: path / name for kind, name in beside.items() if (path / name).is_file()}
        return replace(table, path=path, companions=companions, found={**table.found, "file": ratings.name})


def _in_folder(path: Path) -> tuple[Path, dict[str, str]] | None:
    for name, beside in FOLDERS:
        needs_movies = name.endswith(".csv")
        if (path / name).is_file() and (not needs_movies or (path / beside["items"]).is_file()):
            return path / name, beside
    return None


def _stem(path: Path) -> str:
    return path.name.lower().split(".")[0] if path.name.lower().endswith(".dat") else ""


def _hundred(name: str) -> tuple[tuple[str, ...], str] | None:
    """Return columns and delimiter of a file of MovieLens-100k, by its name."""
    if re.fullmatch(r"u\.data|u[1-5ab]\.(base|test)", name):
        return RATINGS, "\t"
    return {"u.item": ((*ITEM, *GENRES), "|"), "u.user": (USER, "|")}.get(name)


def _starts_with_number(line: bytes) -> bool:
    return re.match(rb"\d+(\t|\||::)", line) is not None


def _encoding(path: Path) -> str | None:
    try:
        for offset, piece in line_chunks(path, name=path.name):
            check_utf8(piece, start=offset, name=path.name)
    except DataError:
        return "latin-1"
    return None


def _with_genres(table: TextTable) -> TextTable:
    import polars as pl

    names = table.frame.collect_schema().names()
    flags = [genre for genre in GENRES if genre in names]
    genres = [pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in flags]
    joined = pl.concat_str(genres, separator="|", ignore_nulls=True).alias("genres")
    return replace(table, frame=table.frame.with_columns(joined).drop(flags))
