"""Files that belong to a ratings file and lie beside it: items, users, triples."""

from __future__ import annotations

from pathlib import Path

__all__ = ["find_companions"]

ENDINGS = ("", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".dat")
PACKED = ("", ".gz", ".zst")
STEMS = {
    "items": ("items", "movies", "books", "products", "songs", "tracks", "artists", "games"),
    "users": ("users",),
    "triples": (),
}
ATOMIC = {"items": ".item", "users": ".user", "triples": ".kg"}


def find_companions(path: Path) -> dict[str, Path]:
    """Find items, users and triples beside a ratings file by their usual names.

    A file such as `u.item` or `ml-100k.item` belongs to the ratings file of the same stem, and goes before a file such
    as `movies.csv`.

    Returns:
        The files by kind (`items`, `users`, `triples`); empty for a folder or a pipe.
    """
    if not path.is_file():
        return {}
    there = {file.name.lower(): file for file in sorted(path.parent.iterdir(), reverse=True) if file.is_file()}
    there.pop(path.name.lower(), None)
    stem = path.name.lower().split(".")[0]
    found: dict[str, Path] = {}
    for kind, atomic in ATOMIC.items():
        names = [stem + atomic + packed for packed in PACKED]
        names += [s + ending + packed for s in STEMS[kind] for ending in ENDINGS[1:] for packed in PACKED]
        match = next((there[name] for name in names if name in there), None)
        if match is not None:
            found[kind] = match
    return found
