"""`reccli status`: what a workspace holds, and what is stale."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reccli.cli.options import JSON, WORKSPACE
from reccli.cli.output import result_json, result_line
from reccli.errors import DamagedArtifactError, MissingArtifactError

if TYPE_CHECKING:
    from reccli.workspace import Version, Workspace

__all__ = ["command"]

WHY = Annotated[bool, typer.Option("--why", help="Say why a run is stale.")]
HEALTH = Annotated[
    bool, typer.Option("--health", help="Say how the vectors of runs lie: effective rank, uniformity, alignment.")
]


def command(
    workspace: WORKSPACE = Path("workspace"), why: WHY = False, health: HEALTH = False, as_json: JSON = False
) -> None:
    """Show every run of a workspace, and whether what it was made from has changed since.

    Example: reccli status --why
    """
    from reccli.training.health_log import health_text
    from reccli.workspace import SEARCHES, STAGES, Workspace

    space = Workspace(workspace)
    rows = [_row(space, stage, name) for stage in (*STAGES, *SEARCHES) for name in space.runs(stage)]
    if as_json:
        result_json({"workspace": str(workspace), "runs": rows})
        return
    if not rows:
        raise MissingArtifactError(f"workspace {workspace} is empty", hint="reccli prepare ratings.csv")
    width = max(len(row["run"]) for row in rows)
    for row in rows:
        reasons = f"  ({'; '.join(row['why'])})" if why and row["why"] else ""
        result_line(f"{row['run']:<{width}}  {row['state']:<8} {row['made']}  {row['size'] / 1e6:8.1f} MB{reasons}")
        if health and row["health"]:
            result_line(f"{'':<{width}}  vectors of {health_text(row['health'])}")


def _row(space: Workspace, stage: str, name: str) -> dict[str, Any]:
    try:
        version = space.current(stage, name)
    except (DamagedArtifactError, MissingArtifactError) as error:
        return {
            "run": f"{stage}/{name}",
            "state": "damaged",
            "made": "-" * 16,
            "size": 0,
            "why": [error.message],
            "health": {},
        }
    why = _stale(space, version)
    return {
        "run": f"{stage}/{name}",
        "state": "stale" if why else "fresh",
        "made": version.manifest.finished[:16].replace("T", " "),
        "size": sum(output.bytes for output in version.manifest.outputs.values()),
        "why": why,
        "health": version.manifest.facts.get("health", {}) if stage == "finetune" else {},
    }


def _stale(space: Workspace, version: Version) -> list[str]:
    """Compare with the parents' current versions, and input files with their content then."""
    from reccli.manifest import sha256_file

    why = []
    for parent, fingerprint in version.manifest.parents.items():
        stage, _, name = parent.partition("/")
        try:
            now = space.current(stage, name, verify=False)
            if (now.fingerprint, now.manifest.content) != (fingerprint, version.manifest.parent_contents.get(parent)):
                why.append(f"{parent} is newer")
        except (DamagedArtifactError, MissingArtifactError):
            why.append(f"{parent} is gone or damaged")
    for entry in version.manifest.inputs.values():
        if entry.path is None:
            continue
        path = Path(entry.path)
        if path.is_file() and sha256_file(path) != entry.sha256:
            why.append(f"{entry.path} has changed")
    return why
