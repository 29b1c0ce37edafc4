"""The real `reccli tune`: killed and started again, two at once, and stopped by Ctrl-C."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fault_driver import Driver, assert_sound, versions

pytest.importorskip("optuna")

SMALL = ["--encoder", "mf", "--loss", "bpr", "--epochs", "3", "--threads", "1", "--device", "cpu", "--seed", "1"]
TUNE = ["tune", *SMALL, "--trials", "5", "--json"]


def trials(workspace: Path) -> list[dict[str, Any]]:
    """Return the table of trials without its times."""
    from reccli.workspace import Workspace

    frame = Workspace(workspace).current("tune").read("trials")
    return frame.filter(frame["state"] != "lost").drop("number", "seconds", "started", "message").to_dicts()


@pytest.mark.fault(3, 8)
@pytest.mark.parametrize("point", ["tune.measured#2", pytest.param("finetune.before_rename#2", marks=pytest.mark.slow)])
def test_f003_killed_and_started_again(driver: Driver, tmp_path: Path, point: str) -> None:
    workspace, control = tmp_path / "ws", tmp_path / "control"
    for place in (workspace, control):
        assert driver.stage("prepare", place).returncode == 0
    undisturbed = driver.run(TUNE, control)
    assert undisturbed.returncode == 0, undisturbed.stderr
    before = versions(workspace)
    # the second best trial may come late or never, so that its commit is not always reached
    killed = driver.run(TUNE, workspace, failpoints=f"{point}=kill")
    assert killed.returncode == (-9 if "measured" in point else killed.returncode)
    assert_sound(workspace, before)
    again = driver.run(TUNE, workspace)
    assert again.returncode == 0, again.stderr
    assert "Traceback" not in again.stderr
    assert trials(workspace) == trials(control)
    found, wanted = (json.loads(done.stdout)["data"] for done in (again, undisturbed))
    assert found["best"]["value"] == wanted["best"]["value"]
    assert found["best"]["settings"] == wanted["best"]["settings"]
    repeated = driver.run([*shlex.split(found["command"])[1:], "-q"], workspace)
    assert "is up to date" in repeated.stdout, repeated.stderr
    assert_sound(workspace, before)
    assert not any((workspace / "logs" / "tune").rglob("drafts/*"))


@pytest.mark.slow
@pytest.mark.fault(32, 37)
def test_f032_two_at_once(driver: Driver, tmp_path: Path) -> None:
    workspace = tmp_path / "ws"
    assert driver.stage("prepare", workspace).returncode == 0
    environment = {"PATH": os.environ["PATH"], "HOME": str(driver.home), "RECCLI_WORKSPACE": str(workspace)}
    command = [sys.executable, "-m", "reccli", *TUNE[:-3], "--trials", "6", "--json"]
    options: dict[str, Any] = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **options) for _ in range(2)]
    done = [(process.communicate(timeout=200), process.returncode) for process in both]
    assert [code for _, code in done] == [0, 0], done
    made = trials(workspace)
    assert len(made) == 6
    last = driver.run([*TUNE[:-3], "--trials", "6", "--json"], workspace)
    body = json.loads(last.stdout)
    assert body["status"] == "up to date" or body["data"]["trials"].get("running") is None
    best = max(row["value"] for row in made if row["state"] == "complete")
    assert body["data"]["best"]["value"] == best
    assert_sound(workspace, {})


@pytest.mark.slow
@pytest.mark.fault(87)
def test_f087_ctrl_c_leaves_what_was_found(driver: Driver, tmp_path: Path) -> None:
    workspace = tmp_path / "ws"
    assert driver.stage("prepare", workspace).returncode == 0
    stopped = driver.run(TUNE, workspace, failpoints="tune.asked#3=sigint")
    assert stopped.returncode == 130, stopped.stderr
    body = json.loads(stopped.stdout)
    assert body["data"]["trials"]["complete"] == 2
    assert body["data"]["stopped"] == "signal"
    assert "Traceback" not in stopped.stderr
    assert_sound(workspace, {})
    evaluated = driver.run(["evaluate", "--run", "mf-bpr-tuned", "--resamples", "0", "-q"], workspace)
    assert evaluated.returncode == 0, evaluated.stderr
    again = driver.run(TUNE, workspace)
    assert again.returncode == 0, again.stderr
    assert sum(json.loads(again.stdout)["data"]["trials"].get(state, 0) for state in ("complete", "pruned")) == 5
