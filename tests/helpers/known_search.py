"""A search with a known answer, for processes that are killed: `python known_search.py FOLDER TRIALS [SLEEP]`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reccli.api.search import Choices, Range
from reccli.stages.tune_attempt import Measured
from reccli.stages.tune_study import Study
from reccli.training.search_space import Parameter

PARAMETERS = [
    Parameter("heat", Range(0.01, 10, log=True)),
    Parameter("size", Range(1, 20), whole=True),
    Parameter("kind", Choices(("good", "bad"))),
]
FIRST = {"heat": 5.0, "size": 3, "kind": "bad"}


def value_of(values: Mapping[str, Any]) -> float:
    """At most 0, where heat is 1, size 7 and kind good."""
    from math import log

    return -(log(values["heat"]) ** 2) - (values["size"] - 7) ** 2 / 20 - (values["kind"] == "bad")


def objective(values: Mapping[str, Any], report: Callable[[int, float], None]) -> Measured:
    """Come nearer to the value with each of 6 epochs."""
    for epoch in range(1, 7):
        report(epoch, value_of(values) - 1 / epoch)
    return Measured(value_of(values), 6, 6)


def study(folder: Path, **changes: Any) -> Study:
    """The search, not yet open."""
    return Study(folder, PARAMETERS, **{"seed": 1, "higher_is_better": True, "first": FIRST, "epochs": 6, **changes})


def made(folder: Path) -> list[tuple[Any, ...]]:
    """What was tried and what it came to, in order, without what was lost with its process."""
    with study(folder) as opened:
        attempts = [attempt for attempt in opened.attempts() if attempt.state != "lost"]
    return [(attempt.state, dict(attempt.values), attempt.value) for attempt in attempts]


if __name__ == "__main__":
    nap = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    ours: list[int] = []

    def napping(values: Mapping[str, Any], report: Callable[[int, float], None]) -> Measured:
        """Take some time."""
        time.sleep(nap)
        return objective(values, report)

    with study(Path(sys.argv[1])) as opened:
        opened.run(napping, int(sys.argv[2]), done=lambda attempt: ours.append(attempt.number))
    sys.stdout.write(json.dumps(ours))
