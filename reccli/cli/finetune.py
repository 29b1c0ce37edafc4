"""`reccli finetune`."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reccli.cli.options import Common, Flag, stage_command
from reccli.cli.session import run_stage_command
from reccli.settings import FinetuneSettings

if TYPE_CHECKING:
    from reccli.stages.common import Control, StageResult
    from reccli.workspace import Workspace

FLAGS = [
    Flag("recipe", metavar="auto|single"),
    Flag("encoder", metavar="NAME"),
    Flag("loss", metavar="NAME"),
    Flag("sampler", metavar="NAME"),
    Flag("aux", metavar="NAME[:WEIGHT]"),
    Flag("task", metavar="ranking|rating|ctr"),
    Flag("similarity"),
    Flag("name"),
    Flag("teacher", metavar="RUN"),
    Flag("pretrained", metavar="RUN"),
    Flag("encoder_path", metavar="FOLDER"),
    Flag("epochs"),
    Flag("batch_size"),
    Flag("micro_batch"),
    Flag("memory"),
    Flag("learning_rate"),
    Flag("optimizer"),
    Flag("schedule"),
    Flag("l1"),
    Flag("l2"),
    Flag("clip"),
    Flag("adversarial"),
    Flag("swa", metavar="EPOCH"),
    Flag("patience"),
    Flag("collapse"),
    Flag("metric", metavar="ndcg@10"),
    Flag("max_time", metavar="SECONDS"),
    Flag("precision"),
    Flag("compile"),
    Flag("device"),
    Flag("threads"),
    Flag("online"),
    Flag("refit"),
    Flag("as_of"),
    Flag("seed"),
]
TRAIN = Annotated[
    str | None,
    typer.Option("--train", metavar="auto|head|lora|last-N|all", help="Which weights of a text model are trained."),
]
POSITIONAL = [inspect.Parameter("train", inspect.Parameter.KEYWORD_ONLY, annotation=TRAIN, default=None)]


def _body(common: Common, flags: dict[str, Any], *, train: str | None) -> None:
    """Train an encoder with a loss, and store the vectors of users and items.

    Example: reccli finetune --encoder bert --loss infonce --device cuda
    """

    def call(workspace: Workspace, settings: Any, control: Control) -> StageResult:
        from reccli.stages.finetune import finetune

        return finetune(workspace, settings, control)

    sets = () if train is None else (f"encoder.train='{train}'",)
    run_stage_command("finetune", common, flags, call, extra_sets=sets)


command = stage_command(_body, FinetuneSettings, FLAGS, POSITIONAL)
