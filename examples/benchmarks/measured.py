"""Run a command and say what it took: wall and CPU seconds, and the most memory it held."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Measured", "measured", "measured_reccli"]


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
        out, err = Path(folder) / "out", Path(folder) / "err"
        with out.open("w") as stdout, err.open("w") as stderr:
            begun = time.perf_counter()
            child = subprocess.Popen(command, stdout=stdout, stderr=stderr, cwd=folder)
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"{' '.join(command)}\n{err.read_text()[-3000:]}")
        return Measured(out.read_text(), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024)


def measured_reccli(workspace: Path, *arguments: str) -> Measured:
    """Run one command of reccli."""
    return measured([sys.executable, "-m", "reccli", *arguments, "-w", str(workspace.resolve()), "-q"])
