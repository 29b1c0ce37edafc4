"""Where rows of a table stand in its file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from reccli.intake.chunks import line_chunks
from reccli.intake.delimited import UNIT_SEPARATOR, TextTable
from reccli.intake.mending import records, shortened, text_lines

if TYPE_CHECKING:
    from reccli.api import Table

__all__ = ["locate"]


def locate(table: Table, rows: Sequence[int]) -> list[tuple[int, str]]:
    """Return the line number and the text of rows.

    Args:
        table: The table as `open_table` gave it.
        rows: Row numbers in its frame, from 0.

    Returns:
        One pair per row, in the same order; of a row over several lines the first. A row of a format that is not text
        has its number, from 1, and its values.
    """
    if not isinstance(table, TextTable):
        return [(table.first_line + row, _values(table, row)) for row in rows]
    lines = _line_numbers(table, rows)
    texts = _texts(table, set(lines))
    return [(line, texts.get(line, "")) for line in lines]


def _line_numbers(table: TextTable, rows: Sequence[int]) -> list[int]:
    if table.lines is not None:
        return [int(table.lines[row]) for row in rows]
    if not table.multiline:
        return [table.first_line + row for row in rows]
    numbers = records(
        text_lines(table.source, table.start, table.path.name), table.delimiter, first_line=table.first_line
    )
    firsts = [record.line for record in islice(numbers, max(rows, default=-1) + 1)]
    return [firsts[row] for row in rows]


def _texts(table: TextTable, wanted: set[int]) -> dict[int, str]:
    """Pick lines out of the file, in one pass that stops at the last."""
    found: dict[int, str] = {}
    last, line = max(wanted, default=0), table.first_line
    for _, raw in line_chunks(table.source, name=table.path.name, start=table.start):
        piece = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in raw else raw
        count = piece.count(b"\n")
        here = [number for number in wanted if line <= number < line + count]
        if here:
            texts = piece.split(b"\n")
            for number in here:
                text = texts[number - line].decode("utf-8", "replace")
                found[number] = shortened(text.replace(UNIT_SEPARATOR, table.found.get("delimiter", "")))
        line += count
        if line > last:
            break
    return found


def _values(table: Table, row: int) -> str:
    values = table.frame.slice(row, 1).collect().rows()
    return shortened(", ".join("" if value is None else str(value) for value in values[0])) if values else ""
