"""The log of one run of a stage: JSON lines under `logs/`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reccli.cli.output import warning

__all__ = ["Log"]


class Log:
    """A log of JSON lines under `logs/<utc>-<id>/`; a log that cannot be written costs one warning, never the run.

    Records are kept back until the workspace is there: a command that is refused leaves no folder behind.

    Args:
        workspace: The workspace.
        extra: A further file that gets the same lines, or None.
        dry: Whether nothing is to be written, as the run only plans.
    """

    def __init__(self, workspace: Path, extra: Path | None, *, dry: bool = False) -> None:
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
        self.workspace, self.folder, self.extra, self.dry = workspace, workspace / "logs" / name, extra, dry
        self.broken = False
        self._kept: list[str] = []

    def record(self, event: str, fields: Mapping[str, Any]) -> None:
        """Append one record, and those that were kept back before it."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._kept.append(json.dumps({"time": now, "event": event, **fields}, default=str) + "\n")
        if not self._open:
            return
        lines = "".join(self._kept)
        self._kept.clear()
        for path in (self.folder / "log.jsonl", *([self.extra] if self.extra else [])):
            self._write(path, lines, "a")

    def result(self, body: Mapping[str, Any]) -> None:
        """Write the run's result."""
        if self._open:
            self._write(self.folder / "result.json", json.dumps(body, default=str) + "\n", "w")

    @property
    def _open(self) -> bool:
        return self.workspace.is_dir() and not self.dry

    def _write(self, path: Path, text: str, mode: str) -> None:
        if self.broken:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open(mode, encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            self.broken = True
            warning(f"no log is written: {error.strerror}: {path}")
