"""Readers: a file of some format in, a lazy table of strings out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from reccli.api.component import Component

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Reader", "Table"]


@dataclass(frozen=True)
class Table:
    """One opened file.

    Args:
        frame: All columns, as strings where the format has no types (a format with types keeps them); scanning is lazy.
        path: The file.
        found: What was detected, for people, by name (`delimiter`, `encoding`, `header`, `format`).
        roles: Column names for roles that the format itself fixes (`user`, `item`, `value`, `time`, `text`, `event`).
        companions: Further files that belong to this one, by kind (`items`, `users`, `triples`, `valid`, `test`).
        first_line: Line number, in the file, of the first data row (2 after a header line).
        bad_rows: Rows that could not be read as the format asks: (line number, reason, raw text).
    """

    frame: pl.LazyFrame
    path: Path
    found: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    companions: Mapping[str, Path] = field(default_factory=dict)
    first_line: int = 1
    bad_rows: tuple[tuple[int, str, str], ...] = ()


class Reader(Component):
    """Opens files of one format.

    The first reader, by `priority` and then name, whose `recognises` says yes opens a file; `--reader NAME` overrides.
    """

    priority: ClassVar[int] = 50
    """Lower is asked first; specific formats stand before general ones."""

    @abstractmethod
    def recognises(self, path: Path, head: bytes) -> bool:
        """Say whether this reader is for the file, from its name and its first 64 KiB (decompressed)."""

    @abstractmethod
    def open(self, path: Path, *, delimiter: str | None, encoding: str | None, header: bool | None) -> Table:
        """Open the file.

        Args:
            path: File or folder.
            delimiter: As the user set it, or None to detect.
            encoding: As the user set it, or None to detect.
            header: Whether the first line has names, or None to detect.

        Raises:
            DataError: The file cannot be read as this format; the message has line numbers or byte offsets.
        """
