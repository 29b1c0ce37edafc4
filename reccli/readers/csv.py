"""CSV and its kin: any delimiter, quotes, with or without a header."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from reccli.api import Reader, Table
from reccli.intake.delimited import Layout, open_delimited
from reccli.intake.sniffing import is_text

__all__ = ["CSV"]


class CSV(Reader):
    """Delimited text (comma, tab, semicolon, pipe, `::`, space), every value as the string that stands in the file.

    Notes:
        Quotes are read as RFC 4180 and the `csv` module in strict mode do. A missing value is null. Rows with too many
        or too few fields, stray quotes or control characters are bad rows; they are never mended by a guess.
    """

    priority: ClassVar[int] = 90

    def recognises(self, path: Path, head: bytes) -> bool:
        """Say yes to whatever is text and nothing else."""
        return bool(head) and is_text(path.name, head)

    def open(self, path: Path, *, delimiter: str | None, encoding: str | None, header: bool | None) -> Table:
        """Open the file."""
        return open_delimited(path, Layout(), delimiter=delimiter, encoding=encoding, header=header)
