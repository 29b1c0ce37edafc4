"""Runs of finetune opened to be asked: single ones and mixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reccli.artifacts import Prepared
from reccli.errors import MissingArtifactError
from reccli.stages.mixture import MIXTURE, Mixture
from reccli.stages.serving import Served
from reccli.workspace import Version, Workspace

if TYPE_CHECKING:
    from reccli.stages.common import Control

__all__ = ["known_parts", "open_run", "opened"]


def open_run(workspace: Workspace, run: str | None, parts: tuple[str, ...], control: Control, *, device: str) -> Served:
    """Open a finetune run together with the data it was trained on.

    Raises:
        MissingArtifactError: There is no such run, or its data is gone.
    """
    version = workspace.current("finetune", run)
    fingerprint = version.manifest.parents.get("prepare/main", "")
    prepared = workspace.find("prepare", "main", fingerprint)
    if prepared is None:
        raise MissingArtifactError(
            f"the prepared data of run '{version.name}' ({fingerprint}) is gone or damaged",
            hint="reccli finetune --force",
        )
    if workspace.current("prepare", verify=False).fingerprint != fingerprint:
        control.warn(f"run '{version.name}' was trained on older prepared data; reccli finetune brings it up to date")
    data = Prepared(prepared)
    return opened(workspace, version, data, known_parts(data, *parts), device=device)


def known_parts(data: Prepared, *parts: str) -> tuple[str, ...]:
    """Return parts of the data, and what a cold user did before, where there is that: it is known always."""
    return (*parts, *(part for part in data.parts if part == "history"))


def opened(workspace: Workspace, version: Version, data: Prepared, parts: tuple[str, ...], *, device: str) -> Served:
    """Return a run on the data that it was trained on, a mixture with all its runs.

    Args:
        workspace: Where the runs of a mixture are.
        version: The run.
        data: What it was trained on.
        parts: Parts of the data that count as known.
        device: Torch device name for encoding.

    Raises:
        MissingArtifactError: A run of a mixture is gone.
    """
    if not version.has(f"{MIXTURE}.parquet"):
        return Served(version, data, parts, device)
    members, weights = [], []
    for row in version.read(MIXTURE).iter_rows(named=True):
        found = workspace.find("finetune", row["run"], row["fingerprint"])
        if found is None:
            raise MissingArtifactError(
                f"run '{version.name}' mixes '{row['run']}' ({row['fingerprint']}), which is gone or damaged",
                hint="reccli finetune --recipe auto, with its settings, brings it back",
            )
        members.append(opened(workspace, found, data, parts, device=device))
        weights.append(float(row["weight"]))
    return Mixture(version, data, parts, device, tuple(members), tuple(weights))
