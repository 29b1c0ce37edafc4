"""Progress of long tasks: a bar on a terminal, elsewhere a plain line per tenth (a second apart) or half minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from reccli.cli.output import is_terminal, talk

__all__ = ["make_task"]

PLAIN_SECONDS = 30.0
SHORT_SECONDS = 1.0


class _Nothing:
    def update(self, done: float, **facts: float | str) -> None:
        """Show nothing."""


class _Plain:
    def __init__(self, label: str, total: float, unit: str) -> None:
        self.label, self.total, self.unit = label, max(total, 1e-9), unit
        self.tenth, self.last = 0, time.monotonic()

    def update(self, done: float, **facts: float | str) -> None:
        """Print a line when a tenth or half a minute has gone by; short tasks print none."""
        tenth, now = int(10 * done / self.total), time.monotonic()
        passed = now - self.last
        if (tenth > self.tenth and passed > SHORT_SECONDS) or passed > PLAIN_SECONDS:
            self.tenth, self.last = tenth, now
            unit = f" {self.unit}" if self.unit else ""
            talk(f"{self.label} {done:.4g}/{self.total:.4g}{unit}{_facts(facts)}")


class _Bar:
    def __init__(self, label: str, total: float) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[facts]}", markup=False),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self.task = self.bar.add_task(label, total=total, facts="")

    def update(self, done: float, **facts: float | str) -> None:
        """Move the bar."""
        self.bar.update(self.task, completed=done, facts=_facts(facts))


def _facts(facts: dict[str, float | str]) -> str:
    shown = [f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in facts.items()]
    return "  " + "  ".join(shown) if shown else ""


def make_task(*, quiet: bool):  # type: ignore[no-untyped-def]  # a `stages.common.Task`, which would import the stages
    """Return the opener of progress displays that fits the terminal."""

    @contextmanager
    def task(label: str, total: float, unit: str = "") -> Iterator[_Nothing | _Plain | _Bar]:
        if quiet:
            yield _Nothing()
        elif is_terminal(sys.stderr):
            shown = _Bar(label, total)
            with shown.bar:
                yield shown
        else:
            yield _Plain(label, total, unit)

    return task
