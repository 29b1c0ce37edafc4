"""Entry point: builds the application around the one command that is called.

Only that command's module is imported; the others are known by name and help line, so that `reccli --help` is instant.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Annotated

import typer

from reccli import __version__
from reccli.cli import signals
from reccli.cli.allocation import keep_memory
from reccli.cli.boundary import guarded
from reccli.cli.output import set_up_streams
from reccli.errors import ConfigError

__all__ = ["build", "main"]

STAGES = {
    "prepare": "Read, clean, code and split raw interactions.",
    "pretrain": "Learn features and weights without labels.",
    "finetune": "Train an encoder with a loss; store vectors.",
    "evaluate": "Rank the whole catalogue and measure.",
    "recommend": "List the best items of users.",
}
TOOLS = {
    "tune": "Search for the settings of finetune.",
    "status": "Show what a workspace holds and what is stale.",
    "check": "Say what prepare would see in a file.",
    "plugins": "List, show and check components.",
    "config": "Show settings and where each value comes from.",
    "doctor": "Show versions, devices and the state of the machine.",
}
EPILOG = "Start: reccli prepare ratings.csv; reccli finetune; reccli evaluate; reccli recommend"


def build(argv: Sequence[str]) -> typer.Typer:
    """Build the application for a command line."""
    app = typer.Typer(
        name="reccli",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": _normalise},
        epilog=EPILOG,
    )
    app.callback()(_root)
    called = next((word for word in argv if not word.startswith("-")), None)
    for panel, commands in (("Stages", STAGES), ("Tools", TOOLS)):
        for name, line in commands.items():
            module = import_module(f"reccli.cli.{name}") if name == called else None
            if module is not None and hasattr(module, "app"):
                app.add_typer(module.app, name=name, help=line, rich_help_panel=panel)
            else:
                function = module.command if module is not None else _stub(name)
                short = None if module is not None else line
                app.command(name, help=short, rich_help_panel=panel)(function)
    return app


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    set_up_streams()
    keep_memory(arguments[0] if arguments else None)
    signals.install()
    sys.exit(guarded(lambda: _run(arguments), arguments))


def _run(arguments: list[str]) -> int:
    try:
        code = build(arguments)(arguments, standalone_mode=False, prog_name="reccli")
    except typer.Exit as stop:
        return int(stop.exit_code)
    except typer.TyperException as error:
        raise _usage(error, arguments) from None
    return int(code or 0)


def _usage(error: typer.TyperException, arguments: list[str]) -> ConfigError:
    message = getattr(error, "format_message", lambda: str(error))()
    called = [word for word in arguments[:1] if word in STAGES or word in TOOLS]
    text = message[:1].lower() + message[1:]
    return ConfigError(text.rstrip("."), hint=" ".join(["reccli", *called, "--help"]))


def _normalise(token: str) -> str:
    """`--batch_size` is `--batch-size`."""
    return token.replace("_", "-")


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"reccli {__version__}\n")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Raw interactions in, recommendations out: prepare, pretrain, finetune, evaluate, recommend."""


def _stub(name: str) -> Callable[[], None]:
    def stub() -> None:
        raise ConfigError(f"put '{name}' first: reccli {name} ...")

    return stub
