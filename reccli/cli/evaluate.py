"""`reccli evaluate`."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reccli.cli.options import Common, Flag, stage_command
from reccli.cli.session import run_stage_command
from reccli.settings import EvaluateSettings

if TYPE_CHECKING:
    from reccli.stages.common import Control, StageResult
    from reccli.workspace import Workspace

FLAGS = [
    Flag("runs", ("--run",), "RUN"),
    Flag("ensemble"),
    Flag("weights", ("--weight",), "X|auto"),
    Flag("mix"),
    Flag("split"),
    Flag("metrics", ("--metric",), "NAME"),
    Flag("ks", ("--k", "-k"), "N"),
    Flag("candidates"),
    Flag("resamples"),
    Flag("confidence"),
    Flag("gates", ("--gate",), "'ndcg@10>=0.12'"),
    Flag("device"),
    Flag("threads"),
    Flag("seed"),
]
COMPARE = Annotated[
    tuple[str, str] | None,
    typer.Option("--compare", metavar="A B", help="Two runs: A's gain over B, with a paired bootstrap interval."),
]
POSITIONAL = [inspect.Parameter("compare", inspect.Parameter.KEYWORD_ONLY, annotation=COMPARE, default=None)]


def _body(common: Common, flags: dict[str, Any], *, compare: tuple[str, str] | None) -> None:
    """Rank the whole catalogue for every user, and measure.

    Example: reccli evaluate --compare bert-infonce popularity
    """

    def call(workspace: Workspace, settings: Any, control: Control) -> StageResult:
        from reccli.stages.evaluate import evaluate

        return evaluate(workspace, settings, control)

    if compare is not None:
        flags = {**flags, "runs": [*compare, *(flags["runs"] or [])], "compare": True}
    run_stage_command("evaluate", common, flags, call)


command = stage_command(_body, EvaluateSettings, FLAGS, POSITIONAL)
