"""One run of a stage from the command line: settings, control, rendering."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from reccli.cli import signals
from reccli.cli.log import Log
from reccli.cli.options import Common
from reccli.cli.output import result_json, result_line, talk, warning
from reccli.cli.progress import make_task

if TYPE_CHECKING:
    from reccli.stages.common import Control, StageResult
    from reccli.workspace import Workspace

__all__ = ["run_stage_command"]


def run_stage_command(
    stage: str,
    common: Common,
    flags: Mapping[str, Any],
    call: Callable[[Workspace, Any, Control], StageResult],
    *,
    extra_sets: tuple[str, ...] = (),
    data_on_stdout: bool = False,
    results_first: bool = False,
) -> StageResult:
    """Resolve settings, run the stage, render its result.

    Args:
        stage: Stage name.
        common: Options that all stages take.
        flags: Values by settings field.
        call: Runs the stage on a workspace with settings and a control.
        extra_sets: Further `--set` texts that flags stand for.
        data_on_stdout: Result lines go to stderr, because stdout is for data.
        results_first: What was found before a signal is shown, and then that it came.
    """
    from reccli.config import resolve
    from reccli.workspace import Workspace

    resolved = resolve(
        stage, flags=flags, sets=(*extra_sets, *common.sets), config=common.config, workspace=common.workspace
    )
    _environment(resolved.settings, common)
    log = Log(common.workspace, common.log_file, dry=common.dry_run)
    control = _control(common, log)
    changed = {name: source for name, source in resolved.sources.items() if source != "default"}
    log.record("settings", {"stage": stage, "settings": resolved.settings.model_dump(mode="json"), "sources": changed})
    if common.verbose:
        for name, source in sorted(changed.items()):
            control.say(f"{stage}.{name} from {source}")
    result = call(Workspace(common.workspace, verify=common.verify), resolved.settings, control)
    if not results_first:
        control.check_stop()  # a signal that came while committing: what is done stays, what would follow must not
    body = _body(result)
    log.result(body)
    if not common.json:
        _render(result, common, talk if data_on_stdout else result_line)
    elif not data_on_stdout:
        result_json(body)
    if results_first:
        control.check_stop("run the same command again to go on")
    return result


def _control(common: Common, log: Log) -> Control:
    """Return how the stage is run: what it says goes to people, unless they want quiet, and to the log."""
    from reccli.stages.common import Control

    quiet = common.quiet or common.json

    def say(line: str) -> None:
        log.record("say", {"line": line})
        if not quiet:
            talk(line)

    def warn(line: str) -> None:
        log.record("warning", {"line": line})
        warning(line)

    return Control(
        force=common.force,
        dry_run=common.dry_run,
        restart=common.restart,
        lock_timeout=common.lock_timeout,
        say=say,
        warn=warn,
        log=log.record,
        task=make_task(quiet=quiet),
        stop=signals.requested,
    )


def _environment(settings: Any, common: Common) -> None:
    """Let the network libraries do what `--online` says, before any of them is imported."""
    if getattr(settings, "online", False):
        os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "0"
    if common.verbose < 2:
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def _body(result: StageResult) -> dict[str, Any]:
    version = result.version
    return {
        "stage": result.stage,
        "status": result.status,
        "run": version.name if version else None,
        "version": version.fingerprint if version else None,
        "why": list(result.why),
        "data": dict(result.data),
        "next": result.next,
    }


def _render(result: StageResult, common: Common, line: Callable[[str], None]) -> None:
    if result.why and result.why != ("first run",) and not common.quiet:
        talk(f"{result.stage}: runs because " + "; ".join(result.why))
    if result.status == "up to date" and result.version is not None:
        finished = result.version.manifest.finished[:16].replace("T", " ")
        line(f"{result.stage}/{result.version.name} is up to date (made {finished})")
    if result.status == "planned":
        line(f"{result.stage}: would run ({'; '.join(result.why)})" if result.why else f"{result.stage}: would run")
    for text in result.lines:
        line(text)
    if result.next and not common.quiet:
        with contextlib.suppress(OSError):
            line(f"next: {result.next}")
