"""The workspace protocol: commits are whole, readers verify, writers exclude each other."""

from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest

from reccli.errors import ConfigError, DamagedArtifactError, LockedError, MissingArtifactError, StorageError
from reccli.manifest import Manifest
from reccli.workspace import Version, Workspace, fingerprint, storage_errors

FRAME = pl.DataFrame({"epoch": [0, 1], "metric": ["loss", "loss"], "value": [2.0, 1.0]}).cast({"epoch": pl.UInt32})


def commit(space: Workspace, *, number: int = 1, name: str = "run") -> Version:
    manifest = Manifest(stage="pretrain", fingerprint=fingerprint("pretrain", {"n": number}))
    with space.writing(), space.draft("pretrain") as draft:
        draft.write("training_log", FRAME.with_columns(pl.col("value") * number))
        return space.commit(draft, name, manifest)


def _write_and_fail(space: Workspace) -> None:
    with space.writing(), space.draft("pretrain") as draft:
        draft.write("training_log", FRAME)
        raise RuntimeError("boom")


def test_a_commit_is_read_back(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "ws")
    committed = commit(space)
    version = space.current("pretrain", "run")
    assert version.fingerprint == committed.fingerprint
    assert version.read("training_log").equals(FRAME)
    assert version.manifest.outputs["training_log.parquet"].rows == 2
    assert list((space.inner / "tmp").iterdir()) == []


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
        _write_and_fail(space)
    assert space.current("pretrain").fingerprint == first.fingerprint
    assert list((space.inner / "tmp").iterdir()) == []


@pytest.mark.fault(39)
def test_f39_any_flipped_bit_is_found(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    file = commit(space).path / "training_log.parquet"
    good = file.read_bytes()
    for position in range(0, len(good), max(1, len(good) // 40)):
        file.write_bytes(good[:position] + bytes([good[position] ^ 4]) + good[position + 1 :])
        with pytest.raises(DamagedArtifactError, match="sha256") as caught:
            space.current("pretrain")
        assert caught.value.hint == "rebuild it: reccli pretrain --force"
    file.write_bytes(good)
    space.current("pretrain")


@pytest.mark.fault(38)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_f38_a_truncated_file_is_found(share: float, tmp_path: Path) -> None:
    space = Workspace(tmp_path, verify=False)
    file = commit(space).path / "training_log.parquet"
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(DamagedArtifactError, match="bytes, committed with"):
        space.current("pretrain")


@pytest.mark.fault(42)
@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"stage": 3}', "[" * 100_000, '{"stage": "prepare"}'])
def test_f42_a_broken_manifest_is_damage(text: str, tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    (commit(space).path / "manifest.json").write_text(text)
    with pytest.raises(DamagedArtifactError):
        space.current("pretrain")


@pytest.mark.fault(42)
def test_f42_unknown_fields_are_tolerated(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    file = commit(space).path / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"new": 1}))
    assert space.current("pretrain").manifest.stage == "pretrain"


@pytest.mark.fault(47)
def test_f47_a_newer_format_asks_to_upgrade(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    file = commit(space).path / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 99}))
    with pytest.raises(DamagedArtifactError, match="was written by reccli") as caught:
        space.current("pretrain")
    assert caught.value.hint == "pip install --upgrade reccli"


@pytest.mark.fault(43)
@pytest.mark.parametrize("pointer", ["", "../../etc", "/etc", "0123456789abcdef", "x" * 16, "\x00"])
def test_f43_a_pointer_elsewhere_is_refused(pointer: str, tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    commit(space)
    (tmp_path / "pretrain" / "run" / "CURRENT").write_text(pointer)
    with pytest.raises(DamagedArtifactError):
        space.current("pretrain", "run")


@pytest.mark.fault(41)
def test_f41_a_version_under_another_name_is_damage(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    first, second = commit(space), commit(space, number=2)
    os.rename(first.path, first.path.with_name("a" * 16))
    (second.path.parent / "CURRENT").write_text("a" * 16)
    with pytest.raises(DamagedArtifactError, match="belongs to version"):
        space.current("pretrain")


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


@pytest.mark.fault(29)
def test_f29_a_second_writer_is_told_who_holds_the_workspace(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    with space.writing(), pytest.raises(LockedError, match=f"pid {os.getpid()}"), Workspace(tmp_path).writing():
        pass


@pytest.mark.fault(34)
def test_f34_a_stale_holder_file_blocks_nobody(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    commit(space)
    (space.inner / "holder.json").write_text(
        json.dumps({"pid": os.getpid(), "host": "x", "command": [], "started": ""})
    )
    commit(space, number=2)


@pytest.mark.fault(52)
def test_f52_a_moved_workspace_works(tmp_path: Path) -> None:
    commit(Workspace(tmp_path / "a"))
    os.rename(tmp_path / "a", tmp_path / "b")
    assert Workspace(tmp_path / "b").current("pretrain").read("training_log").equals(FRAME)


@pytest.mark.fault(15)
def test_f15_data_is_synced_before_the_manifest_and_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def spy_fsync(handle: int) -> None:
        calls.append("fsync " + os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))
        fsync(handle)

    def spy_rename(source: str, target: str) -> None:
        calls.append("rename")
        rename(source, target)

    def spy_replace(source: str, target: str) -> None:
        calls.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "rename", spy_rename)
    monkeypatch.setattr(os, "replace", spy_replace)
    version = commit(Workspace(tmp_path))
    order = [calls.index("fsync training_log.parquet"), calls.index("fsync manifest.json"), calls.index("rename")]
    assert order == sorted(order)
    assert calls[order[-1] + 1] == f"fsync {version.path.parent.name}"
    assert calls.index("replace") > order[-1]


@pytest.mark.fault(24)
def test_f24_disk_errors_of_many_shapes_are_one_error(tmp_path: Path) -> None:
    for error in (OSError(28, "No space left on device"), ValueError("Io error: (os error 28)")):
        with pytest.raises(StorageError, match="No space left on device"), storage_errors(tmp_path):
            raise error
    with pytest.raises(ValueError, match="other"), storage_errors(tmp_path):
        raise ValueError("other")


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


def test_a_wrong_schema_is_refused_when_written_and_read(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    with (
        pytest.raises(DamagedArtifactError, match="no column 'value'"),
        space.writing(),
        space.draft("pretrain") as draft,
    ):
        draft.write("training_log", FRAME.drop("value"))
