"""`reccli config show`: every setting, its value and where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reccli.cli.options import JSON, WORKSPACE
from reccli.cli.output import result_json, result_line
from reccli.errors import one_of

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@app.callback()
def _group() -> None:
    """Show settings and where each value comes from."""


@app.command("show")
def show_cli(
    stage: Annotated[str, typer.Argument(help="Stage.", metavar="STAGE")],
    workspace: WORKSPACE = Path("workspace"),
    config: Annotated[Path | None, typer.Option("--config", help="Settings file.")] = None,
    sets: Annotated[list[str] | None, typer.Option("--set", help="As for the stage.", metavar="A.B=V")] = None,
    as_json: JSON = False,
) -> None:
    """Show a stage's settings with their sources.

    Example: reccli config show finetune --set loss.temperature=0.1
    """
    from reccli.config import STAGE_SETTINGS, resolve

    if stage not in STAGE_SETTINGS:
        raise one_of("stage", stage, STAGE_SETTINGS)
    resolved = resolve(stage, sets=tuple(sets or ()), config=config, workspace=workspace)
    values = resolved.settings.model_dump(mode="json")
    if as_json:
        rows = {name: {"value": value, "source": resolved.sources[name]} for name, value in values.items()}
        result_json({"stage": stage, "settings": rows})
        return
    width = max(map(len, values))
    for name, value in values.items():
        result_line(f"{name:<{width}}  {value!s:<24} {resolved.sources[name]}")
