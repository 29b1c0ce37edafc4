"""`reccli tune`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reccli.cli.finetune import FLAGS as FINETUNE_FLAGS
from reccli.cli.finetune import POSITIONAL
from reccli.cli.options import Common, Flag, flag_parameter, stage_command
from reccli.cli.session import run_stage_command
from reccli.settings import FinetuneSettings, TuneSettings

if TYPE_CHECKING:
    from reccli.stages.common import Control, StageResult
    from reccli.workspace import Workspace

SEARCH_FLAGS = [
    Flag("trials"),
    Flag("timeout", metavar="SECONDS"),
    Flag("params", ("--param",), "NAME=SPACE"),
    Flag("pruner"),
    Flag("name"),
]
OWN = {flag.field for flag in SEARCH_FLAGS}
FLAGS = [flag for flag in FINETUNE_FLAGS if flag.field not in (*OWN, "recipe", "refit", "as_of")]


def _body(common: Common, flags: dict[str, Any], *, train: str | None, **search: Any) -> None:
    """Search for the settings of finetune that are best on validation, and store the best run.

    Start the same command again, or in several shells at once, and the search goes on.

    Example: reccli tune --encoder history --trials 30 --param loss.temperature=0.05..1:log
    """
    from reccli.config import resolve

    settings = resolve("tune", flags=search, config=common.config, workspace=common.workspace).settings

    def call(workspace: Workspace, base: Any, control: Control) -> StageResult:
        from reccli.stages.tune import tune

        return tune(workspace, base, settings, control)

    sets = () if train is None else (f"encoder.train='{train}'",)
    run_stage_command("finetune", common, flags, call, extra_sets=sets, results_first=True)


command = stage_command(
    _body, FinetuneSettings, FLAGS, [*(flag_parameter(TuneSettings, flag) for flag in SEARCH_FLAGS), *POSITIONAL]
)
