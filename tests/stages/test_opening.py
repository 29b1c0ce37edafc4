"""Runs are opened with the data that they were trained on, and with what a cold user did before."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from shop import shop

from reccli.artifacts import Prepared
from reccli.errors import MissingArtifactError
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control
from reccli.stages.finetune import finetune
from reccli.stages.opening import known_parts, open_run, opened
from reccli.workspace import Workspace

torch.set_num_threads(1)


def trained(folder: Path, **prepare: str) -> Workspace:
    workspace = shop(folder, **prepare)
    finetune(workspace, FinetuneSettings(encoder="ease", device="cpu", threads=1), Control())
    return workspace


def test_what_cold_users_did_before_is_known(tmp_path: Path) -> None:
    workspace = trained(tmp_path, split="cold-user")
    data = Prepared(workspace.current("prepare"))
    assert known_parts(data, "train") == ("train", "history")
    assert open_run(workspace, None, ("train",), Control(), device="cpu").parts == ("train", "history")
    version = workspace.current("finetune")
    assert opened(workspace, version, data, ("train",), device="cpu").parts == ("train",)


def test_other_splits_have_nothing_of_the_kind(tmp_path: Path) -> None:
    data = Prepared(trained(tmp_path, split="random").current("prepare"))
    assert known_parts(data, "train", "valid") == ("train", "valid")


def test_newer_data_is_told_and_lost_data_refused(tmp_path: Path) -> None:
    workspace, warned = trained(tmp_path, split="random"), list[str]()
    old = workspace.current("prepare")
    shop(tmp_path, split="random", seed="7")
    run = open_run(workspace, None, ("train",), Control(warn=warned.append), device="cpu")
    assert run.prepared.version.fingerprint == old.fingerprint
    assert warned == ["run 'ease' was trained on older prepared data; reccli finetune brings it up to date"]
    (old.path / "interactions.parquet").write_bytes(b"")
    with pytest.raises(MissingArtifactError, match=r"the prepared data of run 'ease' \([0-9a-f]{16}\) is gone"):
        open_run(workspace, None, ("train",), Control(), device="cpu")
