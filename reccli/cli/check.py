"""`reccli check`: what prepare would see in a file, without writing anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from reccli.cli.options import JSON
from reccli.cli.output import result_json, result_line
from reccli.errors import DataError

__all__ = ["command"]

SHOWN = 5


def command(
    file: Annotated[Path, typer.Argument(help="Interactions: a file or a folder.", metavar="FILE")],
    delimiter: Annotated[str | None, typer.Option("--sep", "--delimiter", help="Column delimiter.")] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Text encoding.")] = None,
    header: Annotated[bool | None, typer.Option("--header/--no-header", help="Whether line 1 has names.")] = None,
    reader: Annotated[str | None, typer.Option("--reader", help="Reader component.")] = None,
    as_json: JSON = False,
) -> None:
    """Say which reader, columns and time unit are found in a file, and which rows are bad; exits 3 if any is.

    Example: reccli check ratings.csv
    """
    from reccli.intake import open_table, reading, roles, times
    from reccli.settings import PrepareSettings

    settings = PrepareSettings(delimiter=delimiter, encoding=encoding, header=header, reader=reader, drop_bad_rows=True)
    table = open_table(file, settings)
    found = roles.assign(table, settings, "interactions")
    with reading(file):
        head = table.frame.head(SHOWN).collect()
        rows = table.frame.select(table.frame.collect_schema().names()[0]).collect().height
        unit = (
            times.detect(table.frame.select(found["time"]).collect().to_series(), settings) if "time" in found else None
        )
    body: dict[str, Any] = {
        "file": str(file),
        "rows": rows,
        "found": dict(table.found),
        "roles": found,
        "time_unit": unit,
        "companions": {kind: str(path) for kind, path in table.companions.items()},
        "bad_rows": [{"line": line, "reason": reason, "text": text} for line, reason, text in table.bad_rows],
    }
    if as_json:
        result_json(body)
    else:
        _show(body, head)
    if table.bad_rows:
        count, line = len(table.bad_rows), table.bad_rows[0][0]
        raise DataError(
            f"{file}: {count:,} bad row{'s' if count > 1 else ''}, the first in line {line}",
            hint="--drop-bad-rows leaves them out",
        )


def _show(body: dict[str, Any], head: Any) -> None:
    result_line(f"{body['file']}  {body['rows']:,} rows")
    for name, value in body["found"].items():
        result_line(f"  {name}: {value}")
    unit = f" ({body['time_unit']})" if body["time_unit"] else ""
    columns = [f"{column}>{role}{unit if role == 'time' else ''}" for role, column in body["roles"].items()]
    result_line("  columns: " + " ".join(columns))
    for kind, path in body["companions"].items():
        result_line(f"  {kind}: {path}")
    for row in head.iter_rows(named=True):
        result_line("  " + "  ".join(f"{role}={row[column]}" for role, column in body["roles"].items()))
    for bad in body["bad_rows"][:SHOWN]:
        result_line(f"  bad line {bad['line']}: {bad['reason']}: {bad['text'][:80]!r}")
