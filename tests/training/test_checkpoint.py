from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reccli.training.checkpoint import CONSTANTS, Checkpoints

TABLE = {"base.item_IR": torch.arange(6.0).view(2, 3)}


def fill(folder: Path, *steps: int) -> Checkpoints:
    checkpoints = Checkpoints(folder)
    for step in steps:
        checkpoints.save(step, {"model/w": torch.full((4,), float(step))}, {"epoch": step}, {})
    return checkpoints


def test_the_newest_comes_back_and_two_are_kept(tmp_path: Path) -> None:
    found = fill(tmp_path, 1, 2, 10).load()
    assert found is not None
    assert found.step == 10
    assert found.state == {"epoch": 10}
    assert torch.equal(found.tensors["model/w"], torch.full((4,), 10.0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000002", "step-000000010"]


@pytest.mark.parametrize("file", ["tensors.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_one_is_passed_over(tmp_path: Path, file: str, damage: str) -> None:
    checkpoints = fill(tmp_path, 1, 2)
    path = tmp_path / "step-000000002" / file
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-3] ^= 0x10
    path.write_bytes(bytes(content if damage == "flip" else content[: len(content) // 2]))
    if damage == "gone":
        path.unlink()
    found = checkpoints.load()
    assert found is not None
    assert found.step == 1


def test_none_is_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "nothing").load() is None


def test_a_killed_writers_draft_is_no_checkpoint_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = fill(tmp_path, 1)
    monkeypatch.setenv("RECCLI_FAILPOINTS", "checkpoint.mid_write=raise:EIO")
    with pytest.raises(Exception, match="error"):
        checkpoints.save(2, {"model/w": torch.zeros(1)}, {}, {})
    monkeypatch.delenv("RECCLI_FAILPOINTS")
    found = checkpoints.load()
    assert found is not None
    assert found.step == 1
    checkpoints.save(3, {"model/w": torch.zeros(1)}, {}, {})
    assert not list(tmp_path.glob("tmp-*"))


def test_drop(tmp_path: Path) -> None:
    checkpoints = fill(tmp_path / "run", 1)
    checkpoints.drop()
    assert not (tmp_path / "run").exists()


def test_what_was_noted_outlives_the_checkpoints(tmp_path: Path) -> None:
    checkpoints = fill(tmp_path / "run", 5, 10)
    assert checkpoints.some
    checkpoints.drop_steps()
    assert not checkpoints.some
    assert not (tmp_path / "run").exists()
    fill(tmp_path / "run", 5).note("diverged.json", "{}")
    checkpoints.drop_steps()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["diverged.json"]


def fill_with_constants(folder: Path, *steps: int) -> Checkpoints:
    checkpoints = Checkpoints(folder)
    for step in steps:
        checkpoints.save(step, {"model/w": torch.full((4,), float(step))}, {}, TABLE)
    return checkpoints


def test_constants_are_written_once_and_come_back(tmp_path: Path) -> None:
    fill_with_constants(tmp_path, 1)
    first = (tmp_path / CONSTANTS).stat()
    again = Checkpoints(tmp_path)
    found = again.load()
    assert found is not None
    assert set(found.tensors) == {"model/w"}
    assert torch.equal(found.constants["base.item_IR"], TABLE["base.item_IR"])
    again.save(2, {"model/w": torch.zeros(4)}, {}, TABLE)
    assert (tmp_path / CONSTANTS).stat().st_mtime_ns == first.st_mtime_ns
    assert (tmp_path / CONSTANTS).stat().st_ino == first.st_ino


@pytest.mark.parametrize("damage", ["flip", "gone"])
def test_without_its_constants_none_is_whole(tmp_path: Path, damage: str) -> None:
    fill_with_constants(tmp_path, 1, 2)
    path = tmp_path / CONSTANTS
    content = bytearray(path.read_bytes())
    content[-3] ^= 0x10
    path.write_bytes(bytes(content))
    if damage == "gone":
        path.unlink()
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.load() is None
    checkpoints.save(3, {"model/w": torch.zeros(4)}, {}, TABLE)  # they are written anew
    found = Checkpoints(tmp_path).load()
    assert found is not None
    assert found.step == 3


def test_constants_go_with_the_checkpoints(tmp_path: Path) -> None:
    checkpoints = fill_with_constants(tmp_path / "run", 1)
    checkpoints.drop_steps()
    assert not (tmp_path / "run").exists()
    fill_with_constants(tmp_path / "run", 1).note("diverged.json", "{}")
    checkpoints.drop_steps()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["diverged.json"]
    checkpoints.save(2, {"model/w": torch.zeros(4)}, {}, TABLE)
    assert (tmp_path / "run" / CONSTANTS).is_file()
