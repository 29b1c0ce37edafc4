"""The pretrain stage: what it writes, when it runs again, and how finetune picks it up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert

from reccli.errors import ConfigError, DamagedArtifactError, Interrupted, MissingArtifactError
from reccli.nn.text_folder import PRETRAINED
from reccli.settings import PrepareSettings, PretrainSettings
from reccli.stages.common import Control
from reccli.stages.pretrain import pretrain
from reccli.testing.worlds import checkerboard
from reccli.workspace import Workspace

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def world_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkerboard(users=24, items=48, held_out=2).write(tmp_path_factory.mktemp("world"), held_out=True)


@pytest.fixture
def workspace(world_file: Path, tmp_path: Path) -> Workspace:
    from reccli.stages.prepare import Sources, prepare

    found = Workspace(tmp_path / "ws")
    prepare(found, Sources((world_file,), items=world_file.parent / "items.csv"), PrepareSettings(), Control())
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bert(tmp_path / "tiny")


def simcse(folder: Path, **settings) -> PretrainSettings:
    return PretrainSettings(
        objective="simcse", encoder_path=str(folder), device="cpu", **{"epochs": 1, "batch_size": 8, **settings}
    )


def test_spectral_is_the_default_and_up_to_date_the_second_time(workspace: Workspace) -> None:
    result = pretrain(workspace, PretrainSettings(device="cpu"), Control())
    assert (result.status, result.next) == ("done", "reccli finetune")
    version = workspace.current("pretrain", "spectral")
    assert {"item_features.parquet", "user_features.parquet", "weights.safetensors", "training_log.parquet"} == set(
        version.manifest.outputs
    )
    spectral_IR = version.read("item_features")["spectral"].to_numpy()
    assert spectral_IR.shape[0] == 48
    assert result.lines[0].startswith("spectral: spectral ")
    assert pretrain(workspace, PretrainSettings(device="cpu"), Control()).status == "up to date"
    again = pretrain(workspace, PretrainSettings(device="cpu", component={"rank": 4}), Control())
    assert again.why == ("settings changed: component",)
    assert again.data["item_features"] == {"spectral": 4}


def test_only_the_train_part_is_seen(workspace: Workspace) -> None:
    import polars as pl

    from reccli.artifacts import Prepared
    from reccli.nn.spectral import normalised

    pretrain(workspace, PretrainSettings(device="cpu"), Control())
    prepared = Prepared(workspace.current("prepare"))
    train = prepared.interactions.filter(pl.col("split") == "train")
    assert train.height < prepared.interactions.height
    from safetensors.torch import load_file

    weights = load_file(workspace.current("pretrain").file("weights.safetensors"))
    _, _, degree_I = normalised(prepared.histories("train"))
    np.testing.assert_array_equal(weights["degree_I"].numpy(), degree_I)
    assert weights["degree_U"].sum() == train.height


def test_simcse_writes_a_model_that_finetune_takes_up(workspace: Workspace, folder: Path) -> None:
    said: list[str] = []
    result = pretrain(workspace, simcse(folder), Control(say=said.append))
    version = workspace.current("pretrain", "simcse")
    assert f"{PRETRAINED}/model.safetensors" in version.manifest.outputs
    assert f"{PRETRAINED}/tokenizer.json" in version.manifest.outputs
    assert version.read("item_features")["text"].to_numpy().shape == (48, 16)
    log = version.read("training_log")
    assert set(log["metric"]) >= {"held_out_loss", "loss"}
    assert any("last-2 trained" in line for line in said)
    assert result.lines[1].startswith("best epoch ")
    from reccli.settings import FinetuneSettings
    from reccli.stages.finetune import finetune

    said.clear()
    settings = FinetuneSettings(encoder="bert", loss="infonce", device="cpu", epochs=1)
    done = finetune(workspace, settings, Control(say=said.append))
    assert done.status == "done"
    assert any("the text model of pretrain simcse" in line for line in said)
    assert any("starting from pretrain simcse" in line for line in said)


def test_the_content_of_the_models_folder_counts(workspace: Workspace, folder: Path) -> None:
    pretrain(workspace, simcse(folder), Control())
    assert pretrain(workspace, simcse(folder), Control()).status == "up to date"
    tiny_bert(folder, seed=4)
    assert pretrain(workspace, simcse(folder), Control()).status == "done"


def test_stopped_and_gone_on_is_as_undisturbed(workspace: Workspace, folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(workspace.path, tmp_path / "other")
    other = Workspace(tmp_path / "other")
    pretrain(workspace, simcse(folder, epochs=2), Control())
    asked = iter([None] * 7 + [15])
    with pytest.raises(Interrupted):
        pretrain(other, simcse(folder, epochs=2), Control(stop=lambda: next(asked)))
    with pytest.raises(MissingArtifactError):
        other.current("pretrain")
    said: list[str] = []
    pretrain(other, simcse(folder, epochs=2), Control(say=said.append))
    assert any("resuming" in line for line in said)
    for name in ("item_features.parquet", f"{PRETRAINED}/model.safetensors"):
        outputs = [ws.current("pretrain").manifest.outputs[name].sha256 for ws in (workspace, other)]
        assert outputs[0] == outputs[1], name


def test_what_does_not_fit_is_refused(workspace: Workspace, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingArtifactError, match="prepare has not run"):
        pretrain(Workspace(tmp_path / "empty"), PretrainSettings(device="cpu"), Control())
    with pytest.raises(ConfigError, match="did you mean 'spectral'"):
        pretrain(workspace, PretrainSettings(objective="spektral", device="cpu"), Control())
    with pytest.raises(ConfigError, match="reads no text model"):
        pretrain(workspace, PretrainSettings(encoder_path=str(folder), device="cpu"), Control())
    (folder / "model.safetensors").unlink()
    with pytest.raises(DamagedArtifactError, match=r"no model\.safetensors"):
        pretrain(workspace, simcse(folder), Control())
    assert workspace.runs("pretrain") == []


def test_a_dry_run_writes_nothing(workspace: Workspace) -> None:
    result = pretrain(workspace, PretrainSettings(device="cpu"), Control(dry_run=True))
    assert (result.status, result.version) == ("planned", None)
    assert workspace.runs("pretrain") == []


def test_finetune_notices_another_model_under_the_same_path(workspace: Workspace, folder: Path) -> None:
    from reccli.settings import FinetuneSettings
    from reccli.stages.finetune import finetune

    settings = FinetuneSettings(encoder="bert", encoder_path=str(folder), device="cpu", epochs=1)
    assert finetune(workspace, settings, Control()).status == "done"
    assert finetune(workspace, settings, Control()).status == "up to date"
    tiny_bert(folder, seed=4)
    assert finetune(workspace, settings, Control()).status == "done"


def test_combined_objectives_train_one_model_that_finetune_takes_up(workspace: Workspace, folder: Path) -> None:
    said: list[str] = []
    settings = PretrainSettings(
        objective="simcse+spectral",
        encoder_path=str(folder),
        device="cpu",
        batch_size=8,
        component={"spectral.rank": 4, "simcse.weight": 0.5},
    )
    result = pretrain(workspace, settings, Control(say=said.append))
    version = workspace.current("pretrain", "simcse-spectral")
    assert result.data["item_features"] == {"text": 16, "spectral": 4}
    assert set(version.manifest.components) == {"objective:simcse", "objective:spectral"}
    assert f"{PRETRAINED}/model.safetensors" in version.manifest.outputs
    assert pretrain(workspace, settings, Control()).status == "up to date"


def test_clusters_are_stored_for_people(workspace: Workspace, folder: Path) -> None:
    settings = PretrainSettings(
        objective="simcse+clusters",
        encoder_path=str(folder),
        device="cpu",
        batch_size=16,
        epochs=1,
        component={"clusters.granularity": [2, 4], "clusters.instance": 0},
    )
    result = pretrain(workspace, settings, Control())
    assert result.data["tables"] == ["cluster_members", "clusters"]
    assert set(result.data["held_out"]) == {"held_out_loss", "simcse.held_out_loss", "clusters.held_out_loss"}
    frame = workspace.current("pretrain").read("clusters")
    assert frame["size"].sum() == 2 * 48 + 2 * 24
    assert frame.filter(frame["kind"] == "item")["top_items"].str.contains("story").all()
    assert any("clusters.held_out_loss" in line for line in result.lines)


@pytest.mark.parametrize("objective", ["mlm+neighbours+clusters", "negative-sampling+graph-views"])
def test_a_combination_stopped_and_gone_on_is_as_undisturbed(
    objective: str, workspace: Workspace, folder: Path, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(workspace.path, tmp_path / "other")
    other = Workspace(tmp_path / "other")
    path = str(folder) if "mlm" in objective else None
    component = {"clusters.granularity": [2, 4]} if "mlm" in objective else {"dim": 8, "graph-views.view": "noise"}
    settings = PretrainSettings(
        objective=objective,
        encoder_path=path,
        device="cpu",
        epochs=3,
        batch_size=16 if path else 256,
        component=component,
    )
    pretrain(workspace, settings, Control())
    asked = iter([None] * 4 + [15])
    with pytest.raises(Interrupted):
        pretrain(other, settings, Control(stop=lambda: next(asked)))
    said: list[str] = []
    pretrain(other, settings, Control(say=said.append))
    assert any("resuming" in line for line in said)
    versions = [ws.current("pretrain") for ws in (workspace, other)]
    assert versions[0].manifest.content == versions[1].manifest.content
