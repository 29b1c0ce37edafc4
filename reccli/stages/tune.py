"""The search for settings of finetune: many trainings, chosen on validation, of which the best becomes a run."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version as metadata_version
from typing import TYPE_CHECKING, Any

from reccli.errors import (
    ConfigError,
    DataError,
    DivergedError,
    Interrupted,
    LockedError,
    MissingExtraError,
    OutOfMemoryError,
    PluginError,
    ReccliError,
)
from reccli.manifest import Manifest, digest_json
from reccli.settings import FinetuneSettings, TuneSettings
from reccli.stages.common import Control, StageResult, manifest_of, run_stage
from reccli.workspace import Draft, Version, Workspace

if TYPE_CHECKING:
    from reccli.stages.finetune_job import Job
    from reccli.stages.tune_attempt import Attempt
    from reccli.stages.tune_search import Search
    from reccli.stages.tune_study import Study

__all__ = ["tune"]

RECOVERABLE = (ConfigError, DataError, DivergedError, OutOfMemoryError, PluginError)
GO_ON = "run the same command again to go on with the search"


def tune(workspace: Workspace, base: FinetuneSettings, settings: TuneSettings, control: Control) -> StageResult:
    """Search for the settings whose training has the best validation metric, and store that training as a run.

    The search is kept in a journal under `logs/tune`: killed and started again it goes on, and any number of processes
    that run the same command share it. Trials train outside the workspace's lock. A signal ends the search with what
    was found.

    Args:
        workspace: Where the data is.
        base: What is not searched, with gaps as in finetune.
        settings: What is searched, and how long.
        control: How to run; `force` and `restart` begin the search anew.

    Raises:
        MissingExtraError: Optuna is not installed.
        ConfigError: The search is impossible, or the settings are.
        DataError: There is no validation part to choose on.
        MissingArtifactError: Nothing is prepared.
        LockedError: A search that another process works on is to begin anew, or has no whole trial yet.
        Interrupted: A signal asked to stop before any trial was whole.
        ReccliError: All trials failed; the code is that of the last one.
    """
    if not has_optuna():
        raise MissingExtraError("tune", "reccli tune")
    from reccli.stages.tune_search import open_search

    search = open_search(workspace, base, settings, control)
    if control.dry_run:
        from reccli.stages.tune_report import space_lines

        plan = f"a search of {settings.trials} trials by {search.metric} on validation"
        return StageResult("tune", "planned", None, (), (plan, *space_lines(search.parameters)))
    return _run(search)


def has_optuna() -> bool:
    """Whether searches can be made here."""
    return importlib.util.find_spec("optuna") is not None


def _run(search: Search) -> StageResult:
    from reccli.stages.tune_report import attempt_line, counted, counts_of, space_lines
    from reccli.stages.tune_study import Study
    from reccli.stages.tune_trial import Trials
    from reccli.training.search_space import default_values
    from reccli.training.validation import parse_metric

    control, settings, recipe = search.control, search.settings, search.job.recipe
    study = Study(
        search.folder,
        search.parameters,
        seed=recipe.settings.seed,
        higher_is_better=bool(parse_metric(search.metric, recipe.task)[0].higher_is_better),
        pruner=settings.pruner,
        first=default_values(search.parameters, recipe),
        epochs=int(recipe.settings.epochs or 0) if recipe.trainable else 0,
        recoverable=RECOVERABLE,
    )
    if control.force or control.restart:
        study.forget()
    with study:
        control.say(f"tune {search.name}: up to {settings.trials} trials by {search.metric} on validation")
        for line in space_lines(search.parameters):
            control.say(line)
        made: list[Attempt] = []
        with control.task(f"tune {search.name}", settings.trials, "trials") as progress:
            trials = Trials(
                search.workspace, search.base, search.job.prepared, _quiet(control), study.drafts / study.workers.name
            )

            def done(attempt: Attempt) -> None:
                made.append(attempt)
                best = study.best()
                ahead = best is not None and best.number == attempt.number
                if ahead:
                    trials.keep(attempt.number, lambda: _is_best(study, attempt.number))
                trials.drop()
                control.say(attempt_line(attempt, search.metric, best=ahead))
                control.log("tune.trial", {"number": attempt.number, "state": attempt.state, "value": attempt.value})
                progress.update(
                    counted(counts_of(study.attempts())), **({"best": float(best.value or 0.0)} if best else {})
                )

            signal = study.run(trials.measure, settings.trials, timeout=settings.timeout, stop=control.stop, done=done)
        return _finish(search, study, made, signal)


def _is_best(study: Study, number: int) -> bool:
    best = study.best()
    return best is not None and best.number == number


def _quiet(control: Control) -> Control:
    """How trials are run: what they say is for the log, what they warn of is said once."""
    warned: set[str] = set()

    def warn(line: str) -> None:
        if line not in warned:
            warned.add(line)
            control.warn(line)

    plain = Control()
    return replace(
        control,
        force=False,
        restart=False,
        say=lambda line: control.log("tune.said", {"line": line}),
        warn=warn,
        task=plain.task,
    )


def _patient(control: Control) -> Control:
    """How what was found is stored: another process that does the same keeps us waiting for a moment only."""
    from reccli.stages.tune_trial import COMMIT_PATIENCE

    return replace(_quiet(control), lock_timeout=max(control.lock_timeout, COMMIT_PATIENCE))


def _finish(search: Search, study: Study, made: list[Attempt], signal: int | None) -> StageResult:
    """Store the table of trials, make sure of the best run, and say what was found."""
    from reccli.stages.tune_report import counts_of, repeat_command, trials_frame

    attempts, best = study.attempts(), study.best()
    if best is None:
        raise _nothing(attempts, signal)
    run = _best_run(search, best, signal)
    frame = trials_frame(attempts, search.parameters)

    def build(draft: Draft, manifest: Manifest) -> None:
        draft.write("trials", frame)
        manifest.facts = {"best": best.number, "metric": search.metric, "value": best.value, "trials": counts}
        manifest.facts["optuna"] = metadata_version("optuna")
        manifest.seed = search.job.settings.seed

    counts = counts_of(attempts)
    told = search.determinants
    extra = {**told["extra"], "trials": digest_json([repr(attempt) for attempt in attempts])}
    control = replace(_patient(search.control), stop=lambda: None)
    status, version = "done", None
    try:
        status, version, _ = run_stage(
            search.workspace, "tune", search.name, **{**told, "extra": extra}, control=control, build=build
        )
    except LockedError as error:  # what was found is in the journal, and is said all the same
        control.warn(f"the table of trials is not stored: {error.message}; {GO_ON}")
    chosen, _ = _best_job(search, best.values)
    command = repeat_command(search.base, chosen, best.values, search.workspace.path)
    data = {
        "run": search.name,
        "metric": search.metric,
        "trials": counts,
        "best": {"trial": best.number, "value": best.value, "settings": dict(best.values)},
        "command": command,
        "stopped": None if signal is None else "signal",
        "stored": run is not None,
    }
    lines = _lines(search, attempts, best, data, run)
    status = "done" if made else status
    return StageResult("tune", status, version, (), lines, data, f"reccli evaluate --run {search.name}")


def _best_run(search: Search, best: Attempt, signal: int | None) -> Version | None:
    """Return the run of the best trial; it is trained again where no process could store it, unless a signal came."""
    from reccli.stages.finetune_job import determinants_of
    from reccli.stages.finetune_one import finetune_one

    settings, job = _best_job(search, best.values)
    control = replace(_patient(search.control), task=search.control.task)
    wanted = manifest_of("finetune", **determinants_of(job)).fingerprint
    if search.workspace.find("finetune", search.name, wanted) is None:
        if signal is not None:
            search.control.warn(f"the run of the best trial is not stored; {GO_ON}")
            return None
        search.control.say(f"the run of trial {best.number} is made again, to be stored")
    else:
        control = replace(control, stop=lambda: None)
    try:
        return finetune_one(search.workspace, settings, control, search.job.prepared).version
    except LockedError as error:
        control.warn(f"the run of the best trial is not stored: {error.message}; {GO_ON}")
        return None


def _best_job(search: Search, values: Mapping[str, Any]) -> tuple[FinetuneSettings, Job]:
    """Return the settings of a trial, with gaps, and what a training with them reads."""
    from reccli.stages.finetune_job import varied_job_of
    from reccli.training.search_space import applied

    settings = applied(search.base, values)
    job = varied_job_of(search.workspace, settings, _patient(search.control), search.job.prepared)
    return settings.model_copy(update={"pretrained": job.settings.pretrained}), job


def _nothing(attempts: list[Attempt], signal: int | None) -> ReccliError:
    """Return the error of a search without any whole trial."""
    from reccli.stages.tune_attempt import FAILED

    if signal is not None:
        return Interrupted(signal, hint=GO_ON)
    failed = [attempt for attempt in attempts if attempt.state == FAILED]
    if not failed:
        return LockedError("no trial is whole yet, and other processes work on them", hint=GO_ON)
    last = failed[-1].facts
    code = next((kind.exit_code for kind in RECOVERABLE if kind.kind == last.get("kind")), DivergedError.exit_code)
    return ReccliError(
        f"all {len(failed)} trials failed, the last one: {last.get('message')}",
        hint="reccli tune --restart with another space",
        exit_code=code,
    )


def _lines(
    search: Search,
    attempts: list[Attempt],
    best: Attempt,
    data: Mapping[str, Any],
    run: Version | None,
) -> tuple[str, ...]:
    from reccli.stages.tune_report import counts_text, values_text

    first = next((attempt for attempt in attempts if attempt.state == "complete"), best)
    start = "" if first.number == best.number else f" (trial {first.number}: {first.value:.4f})"
    lines = [
        f"best of {counts_text(data['trials'])}: trial {best.number}  valid {search.metric} {best.value:.4f}{start}",
        values_text(best.values),
        f"repeat: {data['command']}",
    ]
    if run is not None:
        lines.append(f"stored as {search.workspace.path}/finetune/{search.name}, all trials as tune/{search.name}")
    return tuple(lines)
