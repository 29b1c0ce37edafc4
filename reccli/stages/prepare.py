"""The prepare stage: raw files in, coded, cleaned and split interactions out."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reccli.errors import DataError
from reccli.manifest import Input, Manifest
from reccli.settings import PrepareSettings
from reccli.stages.common import Control, StageResult, run_stage
from reccli.workspace import Draft, Version, Workspace

if TYPE_CHECKING:
    from reccli.preparation.opening import Opened

__all__ = ["Sources", "prepare"]

NAME = "main"


@dataclass(frozen=True)
class Sources:
    """The files that a user gives.

    Args:
        interactions: Files with interactions, or one folder.
        items: File with item texts and attributes.
        users: File with user profiles.
        triples: File with knowledge-graph triples.
        valid: Given validation part.
        test: Given test part.
    """

    interactions: tuple[Path, ...]
    items: Path | None = None
    users: Path | None = None
    triples: Path | None = None
    valid: Path | None = None
    test: Path | None = None


def prepare(workspace: Workspace, sources: Sources, settings: PrepareSettings, control: Control) -> StageResult:
    """Prepare interactions: read, clean, code, filter, split, and put the catalogue beside them.

    Every row that comes in is kept, or dropped for a named reason and counted. Codes, order and random parts depend on
    ids and the seed alone, not on the order of rows or on threads.

    Raises:
        ConfigError: Settings contradict each other or the data.
        DataError: A file is refused; the message has line numbers.
        LockedError: Another run writes to the workspace.
    """
    from reccli.preparation.opening import open_all

    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="reccli-") as scratch:
        opened = open_all(sources, settings, scratch=Path(scratch))
        settings = _settled(settings, opened)
        for line in opened.notes:
            control.warn(line)
        facts: dict[str, Any] = {}

        def build(draft: Draft, manifest: Manifest) -> None:
            with _unchanged(opened):
                _build(draft, manifest, opened, settings, control)
            facts.update(manifest.facts)

        status, version, why = run_stage(
            workspace,
            "prepare",
            NAME,
            settings=settings.determinants(),
            inputs=_inputs(opened),
            components=opened.components,
            control=control,
            build=build,
        )
    lines: tuple[str, ...] = ()
    data: dict[str, Any] = {}
    if version is not None:
        data = {**version.manifest.facts, "counts": version.manifest.counts}
        lines = _lines(workspace, version, time.monotonic() - begun, fresh=status == "done")
    return StageResult("prepare", status, version, why, lines, data, "reccli pretrain, or reccli finetune")


def _settled(settings: PrepareSettings, opened: Opened) -> PrepareSettings:
    """Settle what depends on other settings, so that the fingerprint has what was really done."""
    if settings.event_weights and "duplicates" not in settings.model_fields_set:
        # The default, the newest row, would let a look at a bought item undo the purchase.
        return settings.model_copy(update={"duplicates": "max"})
    return settings


def _inputs(opened: Opened) -> dict[str, Input]:
    return {role: Input(sha256=opened.digests[role].result(), path=str(path)) for role, path in opened.files.items()}


@contextlib.contextmanager
def _unchanged(opened: Opened) -> Iterator[None]:
    """Refuse files that were changed while they were read: the fingerprint would not be theirs.

    Raises:
        DataError: A file has another size, time or identity afterwards.
    """
    from reccli.preparation.opening import stamp

    yield
    for path, before in opened.stamps.items():
        try:
            after = stamp(path)
        except OSError:
            after = None
        if after != before:
            raise DataError(f"{path} was changed while it was read", hint="run the command again")


def _build(draft: Draft, manifest: Manifest, opened: Opened, settings: PrepareSettings, control: Control) -> None:
    from reccli.preparation.assembly import assemble
    from reccli.preparation.describing import described
    from reccli.preparation.surroundings import surround

    made = assemble(opened.interactions, settings, check_stop=control.check_stop)
    around = surround(made, opened, settings)
    for line in (*made.notes, *around.notes):
        control.warn(line)
    control.check_stop()
    draft.write("interactions", around.interactions)
    draft.write("users", around.users)
    draft.write("items", around.items)
    if around.triples is not None:
        draft.write("triples", around.triples)
    draft.write("rejected", made.rejected)
    draft.write("leakage", made.leakage)
    manifest.seed = settings.seed
    manifest.counts = made.counts | around.counts
    manifest.facts = made.facts | around.facts | {"files": described(opened, made, around)}
    for entry in manifest.facts["files"]:
        manifest.inputs[entry["input"]].rows = entry["rows"]


def _lines(workspace: Workspace, version: Version, seconds: float, *, fresh: bool) -> tuple[str, ...]:
    from reccli.preparation.summary import result_lines

    size = sum(output.bytes for output in version.manifest.outputs.values())
    lines = result_lines(version.manifest.facts, version.manifest.counts)
    if not fresh:
        return tuple(lines)
    return (*lines, f"wrote {workspace.path / 'prepare'} ({size / 1e6:.1f} MB, {seconds:.1f} s)")
