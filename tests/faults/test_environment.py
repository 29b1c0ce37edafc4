"""Signals, pipes, locks and odd environments, on the real command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fault_driver import Driver, assert_sound, versions


@pytest.mark.fault(87, 89)
@pytest.mark.parametrize(("action", "code"), [("sigint", 130), ("sigterm", 143)])
def test_f87_a_signal_stops_cleanly(action: str, code: int, driver: Driver, tmp_path: Path) -> None:
    workspace = tmp_path / "ws"
    assert driver.stage("prepare", workspace).returncode == 0
    before = versions(workspace)
    stopped = driver.stage("prepare", workspace, seed=2, failpoints=f"prepare.before_manifest={action}")
    assert stopped.returncode == code, stopped.stderr
    assert stopped.stdout == ""
    assert "nothing is lost" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert_sound(workspace, before)
    assert driver.stage("prepare", workspace, seed=2).returncode == 0


@pytest.mark.fault(29, 30)
def test_f29_two_writers(driver: Driver, tmp_path: Path) -> None:
    workspace = tmp_path / "ws"
    results: list[subprocess.CompletedProcess[str]] = []
    slow = threading.Thread(
        target=lambda: results.append(driver.stage("prepare", workspace, failpoints="prepare.before_manifest=sleep:6"))
    )
    slow.start()
    for _ in range(200):
        if (workspace / ".reccli" / "holder.json").is_file():
            break
        threading.Event().wait(0.05)
    refused = driver.stage("prepare", workspace)
    assert refused.returncode == 6, refused.stderr
    assert "is in use by 'reccli prepare' (pid " in refused.stderr
    arguments = ["prepare", f"{driver.data}/ratings.csv", "--split", "random", "--seed", "1", "--lock-timeout", "60"]
    waited = driver.run(arguments, workspace)
    slow.join()
    assert results[0].returncode == 0, results[0].stderr
    assert waited.returncode == 0, waited.stderr
    assert "up to date" in waited.stdout


@pytest.mark.fault(91)
@pytest.mark.slow
def test_f91_a_reader_that_leaves(driver: Driver, copied: Path) -> None:
    command = f"set -o pipefail; {sys.executable} -m reccli recommend -w {copied} -k 9 --device cpu | true"
    environment = {"PATH": os.environ["PATH"], "HOME": str(driver.home)}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 141), done.stderr
    assert "Traceback" not in done.stderr
    assert_sound(copied, {})


@pytest.mark.fault(92)
def test_f92_a_full_stdout_is_a_storage_error(driver: Driver, tmp_path: Path) -> None:
    command = f"{sys.executable} -m reccli prepare {driver.data}/ratings.csv -w {tmp_path}/ws > /dev/full"
    environment = {"PATH": os.environ["PATH"], "HOME": str(driver.home)}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 9, done.stderr
    assert "error: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert_sound(tmp_path / "ws", {})


@pytest.mark.fault(93, 94)
@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        {"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "20", "CI": "true"},
        {"HOME": "/nonexistent"},
        {"PYTHONOPTIMIZE": "1"},
        {"PYTHONWARNINGS": "error"},
    ],
    ids=lambda environment: next(iter(environment)),
)
def test_f93_f94_f97_odd_environments(environment: dict[str, str], driver: Driver, tmp_path: Path) -> None:
    data = tmp_path / "ratings.csv"
    shutil.copy(driver.data / "ratings.csv", data)
    (tmp_path / "movies.csv").write_text("movieId,title\n" + "".join(f"m{n},Café {n}\n" for n in range(30)))
    odd = Driver(driver.data, driver.home, environment)
    done = odd.run(["prepare", str(data)], tmp_path / "ws")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    again = odd.run(["status", "--json"], tmp_path / "ws")
    assert [row["run"] for row in json.loads(again.stdout)["runs"]] == ["prepare/main"]


@pytest.mark.fault(136)
def test_f136_the_hash_seed_and_threads_change_nothing(driver: Driver, tmp_path: Path) -> None:
    prints = set()
    for number, environment in enumerate([{"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "POLARS_MAX_THREADS": "1"}]):
        workspace = tmp_path / str(number)
        done = Driver(driver.data, driver.home, environment).stage("prepare", workspace)
        assert done.returncode == 0, done.stderr
        manifest = json.loads(next(workspace.glob("prepare/main/*/manifest.json")).read_text())
        prints.add(json.dumps({name: output["sha256"] for name, output in manifest["outputs"].items()}))
    assert len(prints) == 1


@pytest.mark.fault(17)
def test_f17_a_file_size_limit_is_a_storage_error(driver: Driver, tmp_path: Path) -> None:
    workspace = tmp_path / "ws"
    assert driver.stage("prepare", workspace).returncode == 0
    before = versions(workspace)
    inner = f"exec {sys.executable} -m reccli prepare {driver.data}/ratings.csv --seed 2 -w {workspace}"
    command = f"trap '' XFSZ; ulimit -f 2; {inner}"
    environment = {"PATH": os.environ["PATH"], "HOME": str(driver.home)}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 9, done.stderr
    assert done.stderr.count("error: ") == 1
    assert_sound(workspace, before)
    assert driver.stage("prepare", workspace, seed=2).returncode == 0
