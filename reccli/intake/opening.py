"""From a path to a table: finds the reader, and turns what went wrong into an error with a place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reccli import registry
from reccli.errors import DataError, PluginError
from reccli.intake import roles
from reccli.intake.chunks import head_of
from reccli.intake.companions import find_companions
from reccli.intake.delimited import NoNamesError, TextTable
from reccli.intake.encodings import find_encoding, is_utf8
from reccli.intake.scratch import scratch_folder
from reccli.intake.spooling import default_scratch, plain_file

if TYPE_CHECKING:
    from reccli.api import Reader, Table
    from reccli.settings import PrepareSettings

__all__ = ["find_reader", "open_table", "reading"]

SHOWN_ROWS = 5


def open_table(
    path: Path, settings: PrepareSettings, *, kind: str = "interactions", scratch: Path | None = None
) -> Table:
    """Open a file or folder with the reader that fits it.

    Args:
        path: A file, a folder, `-` for standard input, or a pipe; `.gz` and `.zst` files are unpacked.
        settings: The stage's settings. Reader, delimiter and header are those of the interactions; the other files'
            are found, and a file of triples without names is taken for one without a header.
        kind: `interactions`, `items`, `users` or `triples`.
        scratch: Folder for intermediate files, which must stay until the table has been read; without it one that is
            removed at the end of the process.

    Returns:
        The table, ids as strings. `bad_rows` is empty unless `settings.drop_bad_rows`.

    Raises:
        ConfigError: A setting is not possible.
        OfflineError: The path is an address on the network.
        DataError: The file cannot be read; the message has line numbers or byte offsets where there are any.
    """
    folder = scratch or default_scratch()
    plain = plain_file(path, folder)
    name, reader = find_reader(plain, settings.reader if kind == "interactions" else None)
    with scratch_folder(folder), reading(path):
        table = _open(reader, plain, settings, kind)
        if table.bad_rows and not settings.drop_bad_rows:
            raise bad_rows_error(path, table.bad_rows)
        if _is_empty(table):
            raise _no_rows(path, table.bad_rows)
        table = replace(
            table,
            path=path,
            found={"reader": name, **table.found},
            companions={**find_companions(path), **table.companions},
        )
        return roles.with_text_ids(table, settings, kind)


def _open(reader: Reader, plain: Path, settings: PrepareSettings, kind: str) -> Table:
    if kind == "interactions":
        return reader.open(plain, delimiter=settings.delimiter, encoding=settings.encoding, header=settings.header)
    try:
        table = reader.open(plain, delimiter=None, encoding=settings.encoding, header=None)
    except NoNamesError:
        return reader.open(plain, delimiter=None, encoding=settings.encoding, header=False)
    named = table.roles or roles.has_usual_names(table, kind)
    if kind == "triples" and table.found.get("header") == "yes" and not named:
        return reader.open(plain, delimiter=None, encoding=settings.encoding, header=False)
    return table


def bad_rows_error(path: Path, bad_rows: Sequence[tuple[int, str, str]]) -> DataError:
    """Build the error for malformed rows, with the first few line numbers."""
    lines = ", ".join(str(line) for line, _, _ in bad_rows[:SHOWN_ROWS])
    more = f" and {len(bad_rows) - SHOWN_ROWS:,} more" if len(bad_rows) > SHOWN_ROWS else ""
    line, reason, text = bad_rows[0]
    s = "s" if len(bad_rows) > 1 else ""
    return DataError(
        f"{path}: {len(bad_rows):,} bad row{s}, in line{s} {lines}{more}; line {line}: {reason}: {text[:80]!r}",
        hint="mend them, or leave them out and count them: --drop-bad-rows",
    )


def _is_empty(table: Table) -> bool:
    # A text file's rows are counted already; even one row of it would cost a parser's start.
    return table.rows == 0 if isinstance(table, TextTable) else table.frame.head(1).collect().is_empty()


def _no_rows(path: Path, bad_rows: Sequence[tuple[int, str, str]]) -> DataError:
    if not bad_rows:
        return DataError(f"{path}: no rows", hint="there is nothing after the header")
    line, reason, _ = bad_rows[0]
    return DataError(
        f"{path}: no rows; {len(bad_rows):,} bad rows, the first in line {line}: {reason}",
        hint="if the delimiter is another, set it with --sep",
    )


def find_reader(path: Path, asked: str | None = None) -> tuple[str, Reader]:
    """Return the reader that was asked for, or the first by priority and name that recognises the file.

    Raises:
        ConfigError: The reader asked for does not exist.
        DataError: No reader recognises the file.
    """
    if asked:
        return asked, registry.create("reader", asked)
    head = b"" if path.is_dir() else head_of(path)
    if not path.is_dir() and not head:
        raise DataError(f"{path.name}: no rows", hint="the file is empty")
    candidates: list[tuple[int, str, type[Reader]]] = []
    for entry in registry.entries("reader"):
        full = entry.name if entry.builtin else f"{entry.distribution}:{entry.name}"
        try:
            component = registry.load("reader", full)
        except PluginError:
            continue  # a broken plugin hurts only the run that names it
        candidates.append((component.priority, full, component))
    for _, name, component in sorted(candidates, key=lambda candidate: candidate[:2]):
        reader: Reader = component()
        if reader.recognises(path, head):
            return name, reader
    raise _unknown(path, head)


def _unknown(path: Path, head: bytes) -> DataError:
    names = ", ".join(registry.names("reader"))
    if path.is_dir():
        there = sorted(file.name for file in path.iterdir())
        listing = ", ".join(there[:8]) + (", ..." if len(there) > 8 else "")
        return DataError(
            f"{path}: no reader knows this folder ({listing or 'it is empty'})",
            hint=f"name the file with the interactions, or a reader: --reader {names.replace(', ', '|')}",
        )
    what = "text" if is_utf8(find_encoding(head)) and b"\0" not in head else "binary"
    return DataError(f"{path}: no reader knows this {what} file", hint=f"readers: {names}; choose one with --reader")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn the errors of polars into a `DataError` with the file's name; wrap every `collect` of a table in it.

    Raises:
        DataError: polars refused the file.
    """
    import polars as pl

    try:
        yield
    except pl.exceptions.PanicException as error:
        raise DataError(f"{path}: damaged: {_first_line(error)}", hint="fetch or write the file again") from error
    except pl.exceptions.PolarsError as error:
        text = _first_line(error)
        if "os error" in text:  # the disk's fault, for the boundary to classify
            raise
        raise DataError(f"{path}: cannot be read: {text}", hint="fetch or write the file again") from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
