"""What a run starts from of a pre-training: a table of encoders and objectives, and the truth in words and manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert

from reccli import registry
from reccli.errors import ConfigError, MissingArtifactError
from reccli.settings import FinetuneSettings, PrepareSettings, PretrainSettings
from reccli.stages.common import Control
from reccli.stages.finetune import finetune
from reccli.stages.pretrain import pretrain
from reccli.stages.starting import UnreadError
from reccli.testing.worlds import checkerboard
from reccli.workspace import Workspace

torch.set_num_threads(1)

TEXT = {"text": 384, "text_model": 0}
OFFERED = {
    "spectral": {"spectral": 256, "spectral_users": 256},
    "graph-views": {"graph_views": 64, "graph_views_users": 64},
    "negative-sampling": {"negative_sampling": 64, "negative_sampling_users": 64},
    **dict.fromkeys(("simcse", "neighbours", "mlm", "clusters"), TEXT),
}
PAIRS = {"graph-views": {"graph_views", "graph_views_users"}}
PAIRS["negative-sampling"] = {"negative_sampling", "negative_sampling_users"}
TABLES = {"spectral": {"spectral"}, **PAIRS}
MODELS = {key: {"text_model"} for key in ("simcse", "neighbours", "mlm", "clusters")}
READS: dict[str, dict[str, set[str]]] = {
    **dict.fromkeys(("mf", "lightgcn", "history", "item-tokens"), TABLES),
    **dict.fromkeys(("bert", "bert-cross", "tastes"), MODELS),
    "hybrid": {**TABLES, **MODELS},
    **{key: {} for key in ("recency", "sasrec")},  # they start at random unless they are told not to
    **{key: {} for key in ("als", "ease", "elsa", "item-knn", "popularity", "slim", "spectral", "user-knn")},
}


def reads(encoder: str, objective: str, task: str = "ranking", **settings: Any) -> set[str]:
    return {*registry.create("encoder", encoder, settings).starts_from(OFFERED[objective], task)}


def test_the_table_has_every_built_in_encoder_and_objective() -> None:
    assert {entry.name for entry in registry.entries("encoder") if entry.builtin} == READS.keys()
    assert {entry.name for entry in registry.entries("objective") if entry.builtin} == OFFERED.keys()


@pytest.mark.parametrize("encoder", READS)
@pytest.mark.parametrize("objective", OFFERED)
def test_what_an_encoder_reads(encoder: str, objective: str) -> None:
    assert reads(encoder, objective) == READS[encoder].get(objective, set())


@pytest.mark.parametrize("encoder", ["recency", "sasrec"])
def test_settings_decide(encoder: str) -> None:
    assert reads(encoder, "spectral", start="spectrum", dim=64) == {"spectral"}
    assert reads("mf", "spectral", start="random") == set()
    assert reads("mf", "spectral", task="rating") == set()
    assert reads("mf", "spectral", dim=300) == set()
    assert reads("mf", "graph-views", dim=300) == PAIRS["graph-views"]
    assert reads("bert", "simcse", path="folder") == set()
    assert reads("hybrid", "simcse", text="no") == set()


def prepared(workspace: Workspace, folder: Path, *, users: int, items: int) -> Workspace:
    from reccli.stages.prepare import Sources, prepare

    folder.mkdir()
    file = checkerboard(users=users, items=items, held_out=2).write(folder, held_out=True)
    prepare(workspace, Sources((file,), items=folder / "items.csv"), PrepareSettings(split="random"), Control())
    return workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return prepared(Workspace(tmp_path / "ws"), tmp_path / "world", users=24, items=48)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bert(tmp_path / "tiny")


def settings(encoder: str, **values: Any) -> FinetuneSettings:
    return FinetuneSettings(**{"encoder": encoder, "epochs": 1, "device": "cpu", "threads": 1, **values})


def run(workspace: Workspace, encoder: str, **values: Any) -> tuple[list[str], dict[str, Any], list[str]]:
    """Return what was said, the facts, and the pretrain parents."""
    said: list[str] = []
    version = finetune(workspace, settings(encoder, **values), Control(say=said.append, warn=said.append)).version
    assert version is not None
    parents = [name for name in version.manifest.parents if name.startswith("pretrain/")]
    return said, dict(version.manifest.facts), parents


def test_nothing_is_said_of_what_is_not_read(workspace: Workspace, folder: Path) -> None:
    pretrain(workspace, PretrainSettings(device="cpu", component={"rank": 16}), Control())
    said, facts, parents = run(workspace, "bert", encoder_path=str(folder))
    assert "pretrain run 'spectral' is not started from: bert, as it is set, reads none of it" in said
    assert not any(line.startswith("starting from") for line in said)
    assert (facts["pretrained"], facts["pretrained_parts"], parents) == (None, [], [])
    said, facts, parents = run(workspace, "mf", encoder_settings={"dim": 8})
    assert any(line.startswith("starting from pretrain spectral (20") and line.endswith(")") for line in said)
    assert (facts["pretrained"], facts["pretrained_parts"], parents) == (
        "spectral",
        ["spectral"],
        ["pretrain/spectral"],
    )
    said, facts, parents = run(workspace, "popularity")
    assert not any("pretrain" in line for line in said)
    assert facts["pretrained"] is None


def test_a_spectrum_that_is_narrower_than_any_table_is_told_with_its_width(workspace: Workspace) -> None:
    pretrain(workspace, PretrainSettings(device="cpu", component={"rank": 16}), Control())
    with pytest.raises(UnreadError) as caught:
        finetune(workspace, settings("mf", pretrained="spectral"), Control())
    assert caught.value.hint == (
        "leave --pretrained out, or set the encoder to at most as many numbers as the run has (spectral 16)"
    )


def test_a_run_that_is_named_and_not_read_is_refused(workspace: Workspace, folder: Path) -> None:
    given = {"objective": "simcse", "encoder_path": str(folder), "epochs": 1, "batch_size": 8}
    pretrain(workspace, PretrainSettings(device="cpu", **given), Control())
    for encoder, more in (("mf", {}), ("ease", {}), ("bert", {"encoder_path": str(folder)})):
        with pytest.raises(UnreadError) as caught:
            finetune(workspace, settings(encoder, pretrained="simcse", **more), Control())
        assert caught.value.message.startswith(
            f"encoder '{encoder}', as it is set, reads nothing of pretrain run 'simcse'; encoders that do: bert"
        )
        assert isinstance(caught.value, ConfigError)
    assert caught.value.hint == "give --pretrained or --encoder-path, not both"
    with pytest.raises(UnreadError) as caught:
        finetune(workspace, settings("mf", pretrained="simcse"), Control())
    assert caught.value.hint == "--encoder bert, or leave --pretrained out"


def test_of_several_objectives_what_is_read_is_said(workspace: Workspace, folder: Path) -> None:
    given = {"objective": "simcse+spectral", "encoder_path": str(folder), "epochs": 1, "batch_size": 8}
    pretrain(workspace, PretrainSettings(device="cpu", **given, component={"spectral.rank": 16}), Control())
    said, facts, _ = run(workspace, "bert")
    assert any(line.startswith("starting from pretrain ") and line.endswith("): text model") for line in said)
    assert facts["pretrained_parts"] == ["text_model"]
    said, facts, _ = run(workspace, "mf", encoder_settings={"dim": 8})
    assert any(line.startswith("starting from pretrain ") and line.endswith("): spectral") for line in said)
    assert facts["pretrained_parts"] == ["spectral"]


def test_vectors_of_other_data_are_refused_and_a_text_model_is_not(workspace: Workspace, folder: Path) -> None:
    pretrain(workspace, PretrainSettings(device="cpu", component={"rank": 16}), Control())
    given = {"objective": "simcse", "encoder_path": str(folder), "epochs": 1, "batch_size": 8}
    pretrain(workspace, PretrainSettings(device="cpu", **given), Control())
    prepared(workspace, folder.parent / "other", users=12, items=24)
    with pytest.raises(
        MissingArtifactError, match="'spectral' is of other prepared data, and its vectors are of other"
    ):
        finetune(workspace, settings("mf", pretrained="spectral", encoder_settings={"dim": 8}), Control())
    _, facts, _ = run(workspace, "bert", pretrained="simcse")
    assert facts["pretrained"] == "simcse"
    said, facts, _ = run(workspace, "bert")
    assert any(line.startswith("pretrain run 'simcse' is of older prepared data and not used") for line in said)
    assert facts["pretrained"] is None


def test_a_recipe_starts_those_from_it_that_read_it(tmp_path: Path, folder: Path) -> None:
    workspace = prepared(Workspace(tmp_path / "ws"), tmp_path / "world", users=270, items=264)
    pretrain(workspace, PretrainSettings(device="cpu", component={"rank": 256}), Control())
    given = FinetuneSettings(recipe="auto", pretrained="spectral", epochs=1, device="cpu", threads=1)
    finetune(workspace, given, Control())
    found = {
        name: workspace.current("finetune", name).manifest.facts["pretrained"]
        for name in workspace.runs("finetune")
        if name != "auto"
    }
    assert {*found.values()} == {None, "spectral"}
    assert found["auto-ease"] is None
    more = {"objective": "simcse", "encoder_path": str(folder), "epochs": 1, "batch_size": 8}
    pretrain(workspace, PretrainSettings(device="cpu", **more), Control())
    # What is on the short list reads no text model.
    with pytest.raises(UnreadError, match="reads nothing of pretrain run 'simcse'"):
        finetune(workspace, given.model_copy(update={"pretrained": "simcse", "name": "other"}), Control())
    assert not [name for name in workspace.runs("finetune") if name.startswith("other")]


def test_a_search_may_vary_what_is_read(workspace: Workspace) -> None:
    pytest.importorskip("optuna")
    from reccli.settings import TuneSettings
    from reccli.stages.tune import tune

    pretrain(workspace, PretrainSettings(device="cpu", component={"rank": 16}), Control())
    base = settings("mf", pretrained="spectral", encoder_settings={"dim": 8})
    result = tune(workspace, base, TuneSettings(trials=2, params=("encoder.start=spectrum,random",)), Control())
    trials = workspace.current("tune").read("trials")
    assert sorted(zip(trials["encoder.start"], trials["state"], strict=True)) == [
        ("random", "complete"),
        ("spectrum", "complete"),
    ]
    random_won = "start=random" in result.data["command"]
    assert ("--pretrained none" in result.data["command"]) == random_won
    assert np.isfinite(result.data["best"]["value"])
