"""The workspace protocol: commits are whole, runs are found, links are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from committed import FRAME, commit, write_and_fail

from reccli.errors import ConfigError, DamagedArtifactError, MissingArtifactError
from reccli.workspace import Workspace


def test_a_commit_is_read_back(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "ws")
    committed = commit(space)
    version = space.current("pretrain", "run")
    assert version.fingerprint == committed.fingerprint
    assert version.read("training_log").equals(FRAME)
    assert version.manifest.outputs["training_log.parquet"].rows == 2
    assert list((space.inner / "tmp").iterdir()) == []


def test_a_file_is_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user,item\n")
    with pytest.raises(ConfigError, match=r"ratings\.csv is a file, and no folder"):
        Workspace(tmp_path / "ratings.csv")


def test_the_last_committed_run_is_the_default(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    commit(space, name="b")
    commit(space, name="a")
    assert space.current("pretrain").name == "a"
    commit(space, name="b", number=2)
    assert space.current("pretrain").name == "b"


def test_a_draft_that_fails_leaves_the_old_version(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    first = commit(space)
    with pytest.raises(RuntimeError, match="boom"):
        write_and_fail(space)
    assert space.current("pretrain").fingerprint == first.fingerprint
    assert list((space.inner / "tmp").iterdir()) == []


@pytest.mark.fault(43)
@pytest.mark.parametrize("pointer", ["", "../../etc", "/etc", "0123456789abcdef", "x" * 16, "\x00"])
def test_f43_a_pointer_elsewhere_is_refused(pointer: str, tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    commit(space)
    (tmp_path / "pretrain" / "run" / "CURRENT").write_text(pointer)
    with pytest.raises(DamagedArtifactError):
        space.current("pretrain", "run")


@pytest.mark.fault(122)
@pytest.mark.parametrize("place", ["pretrain/run", "pretrain", ".reccli"])
def test_f122_planted_links_are_refused(place: str, tmp_path: Path) -> None:
    space = Workspace(tmp_path / "ws")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "ws" / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere)
    with pytest.raises(DamagedArtifactError, match="symbolic link"):
        commit(space)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.fault(52)
def test_f52_a_moved_workspace_works(tmp_path: Path) -> None:
    commit(Workspace(tmp_path / "a"))
    os.rename(tmp_path / "a", tmp_path / "b")
    assert Workspace(tmp_path / "b").current("pretrain").read("training_log").equals(FRAME)


def test_missing_runs_and_bad_names_say_what_to_do(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    with pytest.raises(MissingArtifactError, match="prepare has not run") as caught:
        space.current("prepare")
    assert caught.value.hint == "reccli prepare"
    commit(space)
    with pytest.raises(MissingArtifactError, match="no pretrain run called 'other' \\(run\\)"):
        space.current("pretrain", "other")
    with pytest.raises(ConfigError, match="run name"):
        space.current("pretrain", "../x")
