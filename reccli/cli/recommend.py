"""`reccli recommend`."""

from __future__ import annotations

import csv
import inspect
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reccli.cli.options import Common, Flag, stage_command
from reccli.cli.output import clean, is_terminal
from reccli.cli.session import run_stage_command
from reccli.errors import ConfigError, DataError, one_of
from reccli.settings import RecommendSettings

if TYPE_CHECKING:
    import polars as pl

    from reccli.stages.common import Control, StageResult
    from reccli.workspace import Workspace

FORMATS = ("table", "csv", "jsonl")
SAMPLE_USERS = 5
FLAGS = [
    Flag("run", ("--run",), "RUN"),
    Flag("weights", ("--weight",), "X|auto"),
    Flag("mix"),
    Flag("k", ("-k", "--k")),
    Flag("users", ("--user",), "ID"),
    Flag("history", ("--history",), "ID,ID,..."),
    Flag("user_text", metavar="TEXT"),
    Flag("new_items", ("--items",), "FILE"),
    Flag("only_new"),
    Flag("rerank", metavar="RUN"),
    Flag("as_of"),
    Flag("include_seen"),
    Flag("explain"),
    Flag("device"),
    Flag("threads"),
]


def _own(name: str, kind: Any, *names: str, default: Any = None, **rest: Any) -> inspect.Parameter:
    option = Annotated[kind, typer.Option(*names, **rest)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=option, default=default)


POSITIONAL = [
    _own("users_file", Path | None, "--users-file", help="User ids, one a line.", metavar="FILE"),
    _own("items_allow", Path | None, "--items-allow", help="List these item ids alone, one a line.", metavar="FILE"),
    _own("items_deny", Path | None, "--items-deny", help="Never list these item ids.", metavar="FILE"),
    _own(
        "output_format",
        str | None,
        "--format",
        help="table on a terminal, else csv; or jsonl.",
        metavar="table|csv|jsonl",
    ),
    _own("excel_safe", bool, "--excel-safe", default=False, help="Put ' before ids that a spreadsheet would run."),
]


def _body(
    common: Common,
    flags: dict[str, Any],
    *,
    users_file: Path | None,
    items_allow: Path | None,
    items_deny: Path | None,
    output_format: str | None,
    excel_safe: bool,
) -> None:
    """List the best items of all users, given users, a history, or a user who says what is wanted.

    Example: reccli recommend --user 42 -k 5
    """
    if output_format is not None and output_format not in FORMATS:
        raise one_of("format", output_format, FORMATS)
    if flags["history"] is not None:
        flags = {**flags, "history": [part for text in flags["history"] for part in next(csv.reader([text]))]}
    if users_file is not None:
        flags = {**flags, "users": [*(flags["users"] or []), *_ids(users_file)]}
    if items_allow is not None:
        flags = {**flags, "items_allow": _ids(items_allow)}
    if items_deny is not None:
        flags = {**flags, "items_deny": _ids(items_deny)}
    shown = output_format or ("table" if is_terminal(sys.stdout) else "csv")

    def call(workspace: Workspace, settings: Any, control: Control) -> StageResult:
        from reccli.stages.recommend import recommend

        return recommend(workspace, settings, control)

    result = run_stage_command("recommend", common, flags, call, data_on_stdout=True)
    if result.version is None:
        return
    frame = result.version.read("recommendations")
    if common.json and output_format is None:
        shown = "jsonl"
    if shown == "table":
        _table(frame, everyone=not (flags["users"] or flags["history"] or flags["user_text"]))
    else:
        _stream(frame, shown, excel_safe=excel_safe)


def _ids(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"no such file: {path}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start})") from None
    return [line for line in text.splitlines() if line.strip()]


def _stream(frame: pl.DataFrame, shown: str, *, excel_safe: bool) -> None:
    columns = [column for column in frame.columns if column != "reason" or frame["reason"].null_count() < frame.height]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if shown == "csv":
        writer.writerow(columns)
    for row in frame.select(columns).iter_rows():
        if shown == "csv":
            writer.writerow([_safe(value) if excel_safe else value for value in row])
        else:
            sys.stdout.write(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n")


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" else value


def _table(frame: pl.DataFrame, *, everyone: bool) -> None:
    import polars as pl
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    users = frame["user_id"].unique(maintain_order=True)
    chosen = users.gather_every(max(1, len(users) // SAMPLE_USERS)).head(SAMPLE_USERS) if everyone else users
    console = Console(highlight=False)
    for user in chosen:
        rows = frame.filter(pl.col("user_id") == user)
        table = Table(
            title=Text(f"user {clean(user)}"), title_justify="left", box=None, show_header=False, pad_edge=False
        )
        for rank, item, title, score, reason in rows.select("rank", "item_id", "title", "score", "reason").iter_rows():
            name = f"{clean(title)}  [{clean(item)}]" if title else clean(item)
            cells = [Text(str(rank)), Text(name), Text(f"{score:.3f}")]
            table.add_row(*cells, *([Text(clean(reason))] if reason else []))
        console.print(table)
    if len(chosen) < len(users):
        console.print(Text(f"{len(chosen)} of {len(users):,} users shown"))


command = stage_command(_body, RecommendSettings, FLAGS, POSITIONAL)
