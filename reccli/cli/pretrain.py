"""`reccli pretrain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reccli.cli.options import Common, Flag, stage_command
from reccli.cli.session import run_stage_command
from reccli.settings import PretrainSettings

if TYPE_CHECKING:
    from reccli.stages.common import Control, StageResult
    from reccli.workspace import Workspace

FLAGS = [
    Flag("objective", metavar="NAME"),
    Flag("name"),
    Flag("encoder_path", metavar="FOLDER"),
    Flag("epochs"),
    Flag("batch_size"),
    Flag("learning_rate"),
    Flag("optimizer"),
    Flag("schedule"),
    Flag("precision"),
    Flag("device"),
    Flag("threads"),
    Flag("online"),
    Flag("seed"),
]


def _body(common: Common, flags: dict[str, Any]) -> None:
    """Learn features and weights without labels, for finetune to start from.

    Example: reccli pretrain --objective simcse --epochs 1
    """

    def call(workspace: Workspace, settings: Any, control: Control) -> StageResult:
        from reccli.stages.pretrain import pretrain

        return pretrain(workspace, settings, control)

    run_stage_command("pretrain", common, flags, call)


command = stage_command(_body, PretrainSettings, FLAGS)
