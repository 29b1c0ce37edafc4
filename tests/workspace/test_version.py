"""Readers verify: whatever has changed in a committed version is damage."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from committed import commit

from reccli.errors import DamagedArtifactError
from reccli.workspace import Workspace


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


@pytest.mark.fault(41)
def test_f41_a_version_under_another_name_is_damage(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    first, second = commit(space), commit(space, number=2)
    os.rename(first.path, first.path.with_name("a" * 16))
    (second.path.parent / "CURRENT").write_text("a" * 16)
    with pytest.raises(DamagedArtifactError, match="belongs to version"):
        space.current("pretrain")
