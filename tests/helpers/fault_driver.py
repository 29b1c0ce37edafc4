"""Drives the real command in a process of its own, and checks that a workspace is sound."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

STAGES = {
    "prepare": ["prepare", "{data}/ratings.csv", "--split", "random", "--seed", "{seed}"],
    "pretrain": ["pretrain", "--set", "objective.rank=8", "--seed", "{seed}", "--threads", "1", "--device", "cpu"],
    "finetune": [
        *["finetune", "--encoder", "mf", "--loss", "bpr", "--epochs", "3", "--patience", "0", "--seed", "{seed}"],
        *["--threads", "1", "--device", "cpu"],
    ],
    "evaluate": ["evaluate", "--resamples", "50", "--seed", "{seed}", "--device", "cpu"],
    "recommend": ["recommend", "-k", "{seed}", "--device", "cpu"],
}


@dataclass
class Driver:
    """Runs reccli as its users do."""

    data: Path
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(
        self, arguments: list[str], workspace: Path, *, failpoints: str = "", timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "RECCLI_WORKSPACE": str(workspace),
            **self.environment,
        }
        if failpoints:
            environment["RECCLI_FAILPOINTS"] = failpoints
        command = [sys.executable, "-m", "reccli", *arguments]
        return subprocess.run(
            command, env=environment, cwd=self.home, capture_output=True, text=True, timeout=timeout, check=False
        )

    def stage(self, stage: str, workspace: Path, *, seed: int = 1, **rest: str) -> subprocess.CompletedProcess[str]:
        """Run one stage on the small world."""
        arguments = [part.format(data=self.data, seed=seed) for part in STAGES[stage]]
        return self.run(arguments, workspace, **rest)  # type: ignore[arg-type]

    def points(self, stage: str, workspace: Path, folder: Path) -> list[str]:
        """Return the failpoints that a stage passes, `name#n` for the n-th pass."""
        trace = folder / f"{stage}.trace"
        done = self.stage(stage, workspace, seed=2, failpoints=f"trace={trace}")
        assert done.returncode == 0, done.stderr
        seen: dict[str, int] = {}
        points = []
        for name in trace.read_text().split():
            seen[name] = seen.get(name, 0) + 1
            points.append(f"{name}#{seen[name]}")
        return points


def tree(folder: Path) -> dict[str, str]:
    """Return a digest of every file of a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def versions(workspace: Path) -> dict[str, dict[str, str]]:
    """Return the content of every committed version."""
    return {
        str(manifest.parent.relative_to(workspace)): tree(manifest.parent)
        for manifest in sorted(workspace.glob("*/*/*/manifest.json"))
    }


def assert_sound(workspace: Path, before: dict[str, dict[str, str]]) -> None:
    """Check that every pointer leads to a version that verifies, and that what was committed before is untouched."""
    from reccli.workspace import STAGES as NAMES
    from reccli.workspace import Workspace

    space = Workspace(workspace)
    for stage in NAMES:
        for name in space.runs(stage):
            space.current(stage, name)
    after = versions(workspace)
    for version, files in before.items():
        assert after.get(version) == files, f"{version} changed"
