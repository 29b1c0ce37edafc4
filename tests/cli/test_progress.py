"""Progress without a terminal: lines for what lasts, none for what is over at once."""

from __future__ import annotations

import pytest

from reccli.cli import progress


def test_plain_lines_come_by_tenths_and_by_half_minutes_but_not_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.make_task(quiet=False)("train", 100, "steps") as task:
        for seconds, done in ((0.1, 50), (2.0, 55), (0.5, 70), (0.6, 75), (5.0, 76), (31.0, 77), (0.1, 100)):
            now[0] += seconds
            task.update(done, loss=0.5)
    assert capsys.readouterr().err.splitlines() == [f"train {done}/100 steps  loss 0.5" for done in (55, 75, 77)]


def test_quiet_says_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.make_task(quiet=True)("train", 100) as task:
        now[0] += 60
        task.update(50)
    assert capsys.readouterr().err == ""
