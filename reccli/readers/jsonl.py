"""JSON Lines."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from reccli.api import Reader, Table
from reccli.intake.encodings import MARKS
from reccli.intake.json_lines import open_json_lines

__all__ = ["JSONL"]

SUFFIXES = (".jsonl", ".ndjson", ".json")


class JSONL(Reader):
    """One JSON object a line; keys are columns, and a key that a line lacks is a missing value.

    Notes:
        Numbers become their shortest text (`7.0` is `7`, for JSON has one kind of number), strings stay as they are.
        Lines that are not an object are bad rows. `--sep` and `--header` mean nothing here.
    """

    priority: ClassVar[int] = 40

    def recognises(self, path: Path, head: bytes) -> bool:
        """Say yes to the usual suffixes, and to content that begins with an object."""
        start = head.removeprefix(MARKS[-1][0]).lstrip()[:64]
        return bool(head) and (path.name.lower().endswith(SUFFIXES) or (start.startswith(b"{") and b'"' in start))

    def open(self, path: Path, *, delimiter: str | None, encoding: str | None, header: bool | None) -> Table:
        """Open the file."""
        return open_json_lines(path, encoding=encoding)
