"""The log of a run: kept back until there is a workspace, and never worth a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reccli.cli.log import Log


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_records_wait_for_the_workspace(tmp_path: Path) -> None:
    log = Log(tmp_path / "ws", tmp_path / "extra.jsonl")
    log.record("first", {"n": 1})
    log.result({})
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "ws").mkdir()
    log.record("second", {"path": tmp_path})
    log.result({"status": "done"})
    for path in (log.folder / "log.jsonl", tmp_path / "extra.jsonl"):
        assert [(line["event"], line.get("n")) for line in lines(path)] == [("first", 1), ("second", None)]
    assert json.loads((log.folder / "result.json").read_text(encoding="utf-8")) == {"status": "done"}
    log.record("third", {})
    assert len(lines(tmp_path / "extra.jsonl")) == 3


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    log = Log(tmp_path, tmp_path / "extra.jsonl", dry=True)
    log.record("first", {})
    log.result({})
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_cannot_be_written_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").write_text("a file", encoding="utf-8")
    log = Log(tmp_path, None)
    for _ in range(2):
        log.record("first", {})
    log.result({})
    assert capsys.readouterr().err.count("no log is written") == 1
