"""What every stage does in the same way: decide whether to run, lock, write, commit, and report.

A stage is a function `stage(workspace, ..., settings, control) -> StageResult`. It computes what determines its
output, and hands a `build` function to `run_stage`, which skips, plans or commits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from reccli import failpoint
from reccli.errors import DamagedArtifactError, Interrupted, MissingArtifactError
from reccli.manifest import Input, Manifest
from reccli.workspace import Draft, Version, Workspace, fingerprint

__all__ = ["Control", "Progress", "StageResult", "Task", "run_stage"]


class Progress(Protocol):
    """Something that shows how far a long task is; the command line draws bars or plain lines."""

    def update(self, done: float, **facts: float | str) -> None:
        """Say how many of the task's units are done, and facts worth showing (loss, metric)."""


class Task(Protocol):
    """Opens a progress display."""

    def __call__(self, label: str, total: float, unit: str = "") -> Any:
        """Return a context manager that gives a `Progress`."""


class _Silent:
    def update(self, done: float, **facts: float | str) -> None:
        """Show nothing."""


@contextmanager
def _silent(label: str, total: float, unit: str = "") -> Iterator[Progress]:
    yield _Silent()


@dataclass
class Control:
    """How a stage is run, as opposed to what it computes: none of it changes results.

    Args:
        force: Rebuild even if up to date.
        dry_run: Plan only.
        restart: Drop an unfinished run's checkpoints.
        lock_timeout: Seconds to wait for the workspace's lock.
        say: Takes one line for people (choices made, defaults used).
        warn: Takes one warning line.
        log: Takes a machine-readable record of the log (event name and fields).
        validated: Takes an epoch of a training and its validation metrics; what it raises ends the training.
        task: Opens a progress display.
        stop: Gives the signal number when a signal asked to stop, else None; long stages ask between steps.
    """

    force: bool = False
    dry_run: bool = False
    restart: bool = False
    lock_timeout: float = 0.0
    say: Callable[[str], None] = field(default=lambda line: None)
    warn: Callable[[str], None] = field(default=lambda line: None)
    log: Callable[[str, Mapping[str, Any]], None] = field(default=lambda event, fields: None)
    validated: Callable[[int, Mapping[str, float]], None] = field(default=lambda epoch, metrics: None)
    task: Task = _silent
    stop: Callable[[], int | None] = field(default=lambda: None)

    def check_stop(self, hint: str | None = None) -> None:
        """Raise `Interrupted` if a signal has asked to stop."""
        number = self.stop()
        if number is not None:
            raise Interrupted(number, hint=hint)


@dataclass(frozen=True)
class StageResult:
    """What a stage did.

    Args:
        stage: Its name.
        status: `done`, `up to date` or `planned`.
        version: The committed version (None when planned).
        why: Why it ran, one reason a line (`first run`, `settings changed: loss`, ...).
        lines: Result lines for people, in order.
        data: The same for machines.
        next: Command to run next, or "".
    """

    stage: str
    status: str
    version: Version | None
    why: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    next: str = ""


Build = Callable[[Draft, Manifest], None]


def run_stage(
    workspace: Workspace,
    stage: str,
    name: str,
    *,
    settings: Mapping[str, Any],
    inputs: Mapping[str, Input] | None = None,
    parents: Sequence[Version] = (),
    components: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
    control: Control,
    build: Build,
) -> tuple[str, Version | None, tuple[str, ...]]:
    """Run `build` into a draft and commit it, unless the same content is already current.

    Args:
        workspace: Where to write.
        stage: Stage name.
        name: Run name.
        settings: Resolved settings that results depend on.
        inputs: Input files by role.
        parents: Versions of earlier stages that are read.
        components: Provenance of the components used.
        extra: Further determinants (the content of a text model's folder).
        control: How to run.
        build: Writes the artifacts and fills the manifest's facts and counts.

    Returns:
        Status, version, and why it ran.
    """
    manifest = manifest_of(stage, settings=settings, inputs=inputs, parents=parents, components=components, extra=extra)
    why = reasons(workspace, stage, name, manifest)
    if not why and not control.force:
        return "up to date", workspace.current(stage, name), ()
    if control.force and not why:
        why = ("forced",)
    if control.dry_run:
        return "planned", None, why
    control.log("stage.start", {"stage": stage, "name": name, "fingerprint": manifest.fingerprint, "why": list(why)})
    with workspace.writing(timeout=control.lock_timeout):
        if not control.force:  # another writer may have built it while we waited, or an older version matches
            found = workspace.find(stage, name, manifest.fingerprint)
            if found is not None:
                workspace.point(stage, name, found.fingerprint)
                return "up to date", found, ()
        begun = time.monotonic()
        manifest.started = datetime.now(UTC).isoformat(timespec="seconds")
        with workspace.draft(stage) as draft:
            failpoint.hit(f"{stage}.begin")
            build(draft, manifest)
            control.check_stop()
            manifest.seconds = round(time.monotonic() - begun, 3)
            version = workspace.commit(draft, name, manifest)
    control.log("stage.end", {"stage": stage, "name": name, "fingerprint": manifest.fingerprint})
    return "done", version, why


def manifest_of(
    stage: str,
    *,
    settings: Mapping[str, Any],
    inputs: Mapping[str, Input] | None = None,
    parents: Sequence[Version] = (),
    components: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Manifest:
    """Return a manifest of what goes into a version, with the fingerprint of all that; arguments as of `run_stage`."""
    manifest = Manifest(
        stage=stage,
        fingerprint="",
        settings=dict(settings),
        inputs=dict(inputs or {}),
        parents={parent.key: parent.fingerprint for parent in parents},
        parent_contents={parent.key: parent.manifest.content for parent in parents},
        components=dict(components or {}),
    )
    determinants = {
        "settings": manifest.settings,
        "inputs": {role: entry.sha256 for role, entry in manifest.inputs.items()},
        "parents": manifest.parent_contents,
        "components": manifest.components,
        "extra": dict(extra or {}),
    }
    manifest.fingerprint = fingerprint(stage, determinants)
    return manifest


def reasons(workspace: Workspace, stage: str, name: str, wanted: Manifest) -> tuple[str, ...]:
    """Say why a stage has to run, one reason a line; empty when its current version is what is wanted."""
    try:
        current = workspace.current(stage, name)
    except MissingArtifactError:
        return ("first run",)
    except DamagedArtifactError as error:
        return (f"damaged: {error.message}",)
    old = current.manifest
    if old.fingerprint == wanted.fingerprint:
        return ()
    found = []
    changed = sorted(key for key in old.settings.keys() | wanted.settings.keys() if _differs(old, wanted, key))
    if changed:
        found.append("settings changed: " + ", ".join(changed))
    for role in sorted(old.inputs.keys() | wanted.inputs.keys()):
        before, after = old.inputs.get(role), wanted.inputs.get(role)
        if (before and before.sha256) != (after and after.sha256):
            named = after or before
            found.append(f"input changed: {(named.path if named else None) or role}")
    for parent in sorted(old.parents.keys() | wanted.parents.keys()):
        if parent not in old.parents or parent not in wanted.parents:
            found.append(f"{parent} added or gone")
        elif (old.parents[parent], old.parent_contents.get(parent)) != (
            wanted.parents[parent],
            wanted.parent_contents[parent],
        ):
            found.append(f"{parent} is newer")
    if old.components != wanted.components:
        found.append("a component's version changed")
    return tuple(found or ["something that results depend on changed"])


def _differs(old: Manifest, wanted: Manifest, key: str) -> bool:
    missing = object()
    return bool(old.settings.get(key, missing) != wanted.settings.get(key, missing))
