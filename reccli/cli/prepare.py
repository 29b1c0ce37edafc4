"""`reccli prepare`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reccli.cli.options import Common, Flag, stage_command
from reccli.cli.session import run_stage_command
from reccli.settings import PrepareSettings

if TYPE_CHECKING:
    from reccli.stages.common import Control, StageResult
    from reccli.workspace import Workspace

FLAGS = [
    Flag("split"),
    Flag("ratios", metavar="8:1:1"),
    Flag("split_column", metavar="COLUMN"),
    Flag("valid_from", metavar="TIME"),
    Flag("test_from", metavar="TIME"),
    Flag("valid_from_train", metavar="SHARE"),
    Flag("min_rating"),
    Flag("core", metavar="USERS,ITEMS"),
    Flag("max_interactions"),
    Flag("duplicates"),
    Flag("drop_bad_rows"),
    Flag("value_as_weight"),
    Flag("event_column", metavar="COLUMN"),
    Flag("event_weights", metavar="view=1,cart=3"),
    Flag("recency_half_life", metavar="DAYS"),
    Flag("item_text", metavar="TEMPLATE"),
    Flag("user_text", metavar="TEMPLATE"),
    Flag("task"),
    Flag("user_column", ("--user-col", "--user-column"), "COLUMN"),
    Flag("item_column", ("--item-col", "--item-column"), "COLUMN"),
    Flag("value_column", ("--value-col", "--value-column", "--rating-col"), "COLUMN"),
    Flag("time_column", ("--time-col", "--time-column"), "COLUMN"),
    Flag("time_unit"),
    Flag("delimiter", ("--sep", "--delimiter"), "CHAR"),
    Flag("encoding"),
    Flag("header", ("--header/--no-header",)),
    Flag("reader", metavar="NAME"),
    Flag("seed"),
]


def _file(name: str, help_text: str) -> inspect.Parameter:
    option = Annotated[Path | None, typer.Option(f"--{name}", help=help_text, metavar="FILE")]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=option, default=None)


FILES = Annotated[
    list[Path], typer.Argument(help="Interactions: files, or a folder.", show_default=False, metavar="FILES...")
]
POSITIONAL = [
    inspect.Parameter("files", inspect.Parameter.KEYWORD_ONLY, annotation=FILES),
    _file("items", "Item texts and attributes; one beside the ratings is found."),
    _file("users", "User profiles."),
    _file("triples", "Knowledge-graph triples: head, relation, tail."),
    _file("valid", "Given validation part."),
    _file("test", "Given test part."),
]


def _body(
    common: Common,
    flags: dict[str, Any],
    *,
    files: list[Path],
    items: Path | None,
    users: Path | None,
    triples: Path | None,
    valid: Path | None,
    test: Path | None,
) -> None:
    """Read, clean, code and split raw interactions.

    Example: reccli prepare ratings.csv --items movies.csv --split temporal
    """

    def call(workspace: Workspace, settings: Any, control: Control) -> StageResult:
        from reccli.stages.prepare import Sources, prepare

        sources = Sources(interactions=tuple(files), items=items, users=users, triples=triples, valid=valid, test=test)
        return prepare(workspace, sources, settings, control)

    run_stage_command("prepare", common, flags, call)


command = stage_command(_body, PrepareSettings, FLAGS, POSITIONAL)
