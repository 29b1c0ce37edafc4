"""Kill -9 at every failpoint of every stage: the old version stays whole, and the rerun equals an undisturbed one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fault_driver import STAGES, Driver, assert_sound, versions


def _outputs(workspace: Path, stage: str) -> dict[str, str]:
    """Return the files of a stage's current version but the manifest, which holds times."""
    from reccli.workspace import Workspace

    version = Workspace(workspace).current(stage)
    return {name: output.sha256 for name, output in version.manifest.outputs.items()} | {"": version.fingerprint}


@pytest.mark.slow
@pytest.mark.fault(1, 2, 3, 4, 5)
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("stage", STAGES)
def test_f1_to_f5_kill_at_every_failpoint(stage: str, driver: Driver, finished: Path, tmp_path: Path) -> None:
    control = tmp_path / "control"
    shutil.copytree(finished, control, symlinks=True)
    points = driver.points(stage, control, tmp_path)
    assert len(points) >= 7, points
    wanted = _outputs(control, stage)
    for number, point in enumerate(points):
        workspace = tmp_path / f"ws{number}"
        shutil.copytree(finished, workspace, symlinks=True)
        before = versions(workspace)
        killed = driver.stage(stage, workspace, seed=2, failpoints=f"{point}=kill")
        assert killed.returncode == -9, f"{point}: {killed.returncode} {killed.stderr}"
        assert_sound(workspace, before)
        again = driver.stage(stage, workspace, seed=2)
        assert again.returncode == 0, f"{point}: {again.stderr}"
        assert "Traceback" not in again.stderr
        assert _outputs(workspace, stage) == wanted, point
        assert_sound(workspace, before)
        assert not any((workspace / ".reccli" / "tmp").iterdir())
        shutil.rmtree(workspace)


@pytest.mark.fault(1, 33)
def test_f33_prepare_goes_on_after_a_killed_writer(driver: Driver, tmp_path: Path) -> None:
    workspace = tmp_path / "ws"
    killed = driver.stage("prepare", workspace, failpoints="prepare.before_rename=kill")
    assert killed.returncode == -9
    assert any((workspace / ".reccli" / "tmp").iterdir())
    again = driver.stage("prepare", workspace)
    assert again.returncode == 0, again.stderr
    assert not any((workspace / ".reccli" / "tmp").iterdir())


@pytest.mark.fault(24)
@pytest.mark.parametrize("name", ["ENOSPC", "EIO", "EROFS", "EDQUOT"])
def test_f24_a_failing_disk_is_one_line(name: str, driver: Driver, tmp_path: Path) -> None:
    workspace = tmp_path / "ws"
    assert driver.stage("prepare", workspace).returncode == 0
    before = versions(workspace)
    failed = driver.stage("prepare", workspace, seed=2, failpoints=f"prepare.before_rename=raise:{name}")
    assert failed.returncode == 9, failed.stderr
    assert failed.stderr.splitlines()[-2].startswith("error: ")
    assert failed.stderr.splitlines()[-1].startswith("hint: ")
    assert failed.stdout == ""
    assert_sound(workspace, before)
