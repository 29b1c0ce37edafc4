"""Drafts are checked against schemas, and on the disk before they are named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from committed import FRAME, commit

from reccli.errors import DamagedArtifactError
from reccli.workspace import Workspace


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


def test_a_wrong_schema_is_refused_when_written_and_read(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    with (
        pytest.raises(DamagedArtifactError, match="no column 'value'"),
        space.writing(),
        space.draft("pretrain") as draft,
    ):
        draft.write("training_log", FRAME.drop("value"))
