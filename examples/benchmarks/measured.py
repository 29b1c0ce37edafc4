"""Run a command and say what it took: wall and CPU seconds, and the most memory it held."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Measured", "measured", "measured_reccli"]

# A child starts with the memory of who starts it in its account, so a small process stands in between.
WATCH = """
import json, resource, subprocess, sys, time
begun = time.perf_counter()
code = subprocess.call(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
facts = [time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024]
json.dump(facts, open(sys.argv[1], "w"))
sys.exit(code)
"""


@dataclass(frozen=True)
class Measured:
    """What a command printed on stdout, and what it took; `peak_mb` is the largest resident set in MiB."""

    stdout: str
    seconds: float
    cpu_seconds: float
    peak_mb: int


def measured(command: list[str]) -> Measured:
    """Run a command in a folder of its own (RecBole writes logs to where it stands); stop if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        watched = [sys.executable, "-S", "-c", WATCH, str(report), *command]
        done = subprocess.run(watched, capture_output=True, text=True, check=False, cwd=folder)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stderr[-3000:]}")
        return Measured(done.stdout, *json.loads(report.read_text()))


def measured_reccli(workspace: Path, *arguments: str) -> Measured:
    """Run one command of reccli."""
    return measured([sys.executable, "-m", "reccli", *arguments, "-w", str(workspace.resolve()), "-q"])
