"""RecBole atomic files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from reccli.api import Reader, Table
from reccli.errors import DataError
from reccli.intake.chunks import head_of
from reccli.intake.delimited import Layout, open_delimited

__all__ = ["RecBole"]

SUFFIXES = (".inter", ".item", ".user", ".kg", ".net", ".link")
TYPES = ("token", "token_seq", "float", "float_seq")
COMPANIONS = {"items": ".item", "users": ".user", "triples": ".kg"}


class RecBole(Reader):
    """Atomic files of RecBole: tab-separated, with typed names such as `user_id:token rating:float` in the first line.

    Notes:
        Quotes are text in this format. The types are left out of the column names; every value stays a string. A folder
        with exactly one `.inter` file is read as that file, together with the `.item`, `.user` and `.kg` of its stem.
    """

    priority: ClassVar[int] = 20

    def recognises(self, path: Path, head: bytes) -> bool:
        """Say yes to typed names in the first line, and to a folder with one `.inter` file."""
        if path.is_dir():
            return len(list(path.glob("*.inter"))) == 1
        return path.suffix in SUFFIXES and _types(head) is not None

    def open(self, path: Path, *, delimiter: str | None, encoding: str | None, header: bool | None) -> Table:
        """Open the file."""
        file = next(iter(sorted(path.glob("*.inter"))), path) if path.is_dir() else path
        types = _types(head_of(file))
        if types is None:
            raise DataError(
                f"{file.name}: the first line has no typed names such as user_id:token",
                hint="--reader csv reads others",
            )
        layout = Layout(format="recbole", quoted=False)
        table = open_delimited(file, layout, delimiter=delimiter or "\t", encoding=encoding, header=True)
        names = {name: name.rsplit(":", 1)[0] for name in table.frame.collect_schema().names()}
        if len(set(names.values())) < len(names):
            raise DataError(f"{file.name}: a column name stands twice in the header", hint="rename one of them")
        beside = {kind: file.with_name(file.name.split(".")[0] + suffix) for kind, suffix in COMPANIONS.items()}
        return replace(
            table,
            frame=table.frame.rename(names),
            path=path,
            found={**table.found, "types": ", ".join(types)},
            companions={kind: found for kind, found in beside.items() if found.is_file() and found != file},
        )


def _types(head: bytes) -> list[str] | None:
    """Return the types that the first line names, or None where a name has none."""
    first = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    types = [name.strip().rpartition(":")[2] for name in first.split("\t")]
    return types if types and all(kind in TYPES for kind in types) else None
