"""Options of commands, made from the settings' own fields: one list of names, one help text each.

Every option of a stage is a text that `reccli.config` parses, so that a flag, an environment variable and a file say
the same and fail alike. Only yes/no fields become switches.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

__all__ = ["Common", "Flag", "flag_parameter", "stage_command"]


@dataclass(frozen=True)
class Flag:
    """One option of a stage.

    Args:
        field: Name of the settings field.
        names: Option names; `--field-name` without any.
        metavar: What stands for the value in the help.
    """

    field: str
    names: tuple[str, ...] = ()
    metavar: str | None = None


@dataclass(frozen=True)
class Common:
    """What all stages take."""

    workspace: Path
    config: Path | None
    sets: tuple[str, ...]
    force: bool
    restart: bool
    dry_run: bool
    json: bool
    quiet: bool
    verbose: int
    log_file: Path | None
    lock_timeout: float
    verify: bool


WORKSPACE = Annotated[
    Path,
    typer.Option("-w", "--workspace", envvar="RECCLI_WORKSPACE", help="Workspace folder.", rich_help_panel="Run"),
]
JSON = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.", rich_help_panel="Run")]


def _common_parameters() -> list[inspect.Parameter]:
    def option(name: str, kind: Any, default: Any, *names: str, **rest: Any) -> inspect.Parameter:
        return _parameter(name, Annotated[kind, typer.Option(*names, rich_help_panel="Run", **rest)], default)

    return [
        _parameter("workspace", WORKSPACE, Path("workspace")),
        option("config", Path | None, None, "--config", help="Settings file; ./reccli.toml is found.", metavar="FILE"),
        option("sets", list[str], [], "--set", help="Set anything: loss.temperature=0.05.", metavar="A.B=V"),
        option("force", bool, False, "--force", help="Rebuild even if up to date."),
        option("restart", bool, False, "--restart", help="Drop an unfinished run instead of resuming it."),
        option("dry_run", bool, False, "--dry-run", help="Say what would be done, and do nothing."),
        _parameter("as_json", JSON, False),
        option("quiet", bool, False, "-q", "--quiet", help="Results, warnings and errors only."),
        option("verbose", int, 0, "-v", "--verbose", count=True, help="Say more; twice for library messages."),
        option("log_file", Path | None, None, "--log-file", help="Also write the log here.", metavar="FILE"),
        option("lock_timeout", float, 0.0, "--lock-timeout", help="Seconds to wait for a busy workspace."),
        option("no_verify", bool, False, "--no-verify", help="Check sizes only of what is read, not sha256."),
        option("debug", bool, False, "--debug", help="Show tracebacks."),
    ]


def stage_command(
    body: Callable[..., None], settings: type[Any], flags: list[Flag], positional: list[inspect.Parameter] | None = None
) -> Callable[..., None]:
    """Give a function `body(common, flags, **own)` the signature of a command.

    Args:
        body: Runs the command; `flags` maps field names to texts or switches, None where not given.
        settings: The stage's settings class, whose field docstrings become help texts.
        flags: The everyday options; all other fields are reached by `--set`.
        positional: The command's own parameters, passed on by name.
    """
    own = positional or []
    parameters = [*own, *(flag_parameter(settings, flag) for flag in flags), *_common_parameters()]

    def command(**given: Any) -> None:
        common = Common(
            workspace=given["workspace"],
            config=given["config"],
            sets=tuple(given["sets"] or ()),
            force=given["force"],
            restart=given["restart"],
            dry_run=given["dry_run"],
            json=given["as_json"],
            quiet=given["quiet"],
            verbose=given["verbose"],
            log_file=given["log_file"],
            lock_timeout=given["lock_timeout"],
            verify=not given["no_verify"],
        )
        values = {flag.field: given[flag.field] for flag in flags}
        body(common, values, **{parameter.name: given[parameter.name] for parameter in own})

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = body.__doc__
    return command


def flag_parameter(settings: type[Any], flag: Flag) -> inspect.Parameter:
    """Return the option of a settings field, its help text and default taken from there."""
    field = settings.model_fields[flag.field]
    dashed = flag.field.replace("_", "-")
    names = flag.names or (f"--{dashed}",)
    text = " ".join((field.description or "").split())
    if bool in (field.annotation, *get_args(field.annotation)):
        switch = names if flag.names or field.default is False else (f"--{dashed}/--no-{dashed}",)
        return _parameter(flag.field, Annotated[bool | None, typer.Option(*switch, help=text)], None)
    choices = _choices(field.annotation)
    metavar = flag.metavar or ("|".join(choices) if choices else _metavar(field.annotation))
    default = field.default
    if default not in (None, (), {}, "") and not isinstance(default, Mapping):
        shown = ":".join(f"{part:g}" for part in default) if isinstance(default, tuple) else default
        text += f" [default: {shown}]"
    option = typer.Option(*names, help=text, metavar=metavar)
    many = get_origin(field.annotation) is tuple and Ellipsis in get_args(field.annotation)
    if many:
        return _parameter(flag.field, Annotated[list[str] | None, option], None)
    return _parameter(flag.field, Annotated[str | None, option], None)


def _choices(annotation: Any) -> list[str]:
    for part in (annotation, *get_args(annotation)):
        if get_origin(part) is Literal:
            return [str(choice) for choice in get_args(part)]
    return []


def _metavar(annotation: Any) -> str:
    kinds = {annotation, *get_args(annotation)}
    if int in kinds:
        return "N"
    return "X" if float in kinds else "TEXT"


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
