"""Recipes try what suits the data, keep the best on validation, and can be killed and repeated; single runs here."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from shop import shop

from reccli.errors import ConfigError, DataError, DivergedError, Interrupted, MissingArtifactError
from reccli.settings import FinetuneSettings
from reccli.stages import recipe as stage
from reccli.stages.common import Control
from reccli.stages.finetune import finetune
from reccli.stages.recipe import finetune_by_recipe
from reccli.training.recipes import Candidate
from reccli.workspace import Version, Workspace

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop(tmp_path_factory.mktemp("shop"), split="random").path


@pytest.fixture
def workspace(prepared: Path, tmp_path: Path) -> Workspace:
    return Workspace(shutil.copytree(prepared, tmp_path / "workspace"))


def settings(**values: Any) -> FinetuneSettings:
    return FinetuneSettings(**{"recipe": "single", "device": "cpu", "threads": 1, "epochs": 2, **values})


def test_the_best_on_validation_becomes_the_last_run(workspace: Workspace) -> None:
    said: list[str] = []
    result = finetune_by_recipe(workspace, settings(), Control(say=said.append))
    assert (result.status, result.next) == ("done", "reccli evaluate")
    assert workspace.runs("finetune") == [
        "auto",
        *(f"auto-{name}" for name in ("als", "ease", "history", "item-knn", "lightgcn")),
    ]
    assert workspace.last_run("finetune") == "auto"
    found = {
        name: workspace.current("finetune", name).manifest.facts["best_value"]
        for name in workspace.runs("finetune")
        if name != "auto"
    }
    adopted = workspace.current("finetune", "auto")
    assert adopted.manifest.facts["best_value"] == max(found.values())
    assert found[adopted.manifest.facts["recipe"]] == max(found.values())
    assert said[0].startswith("data: task ranking, 24 users, 16 items")
    assert any(line.startswith("by validation: ") for line in said)
    assert result.lines[0].startswith("recipe: ")
    assert result.lines[1].startswith("picked: ")
    same = workspace.current("finetune", str(adopted.manifest.facts["recipe"]))
    assert adopted.read("item_vectors").equals(same.read("item_vectors"))
    for file in adopted.manifest.outputs:
        assert (adopted.path / file).samefile(same.path / file), "one copy on disk"


def test_where_files_cannot_have_two_names_they_are_copied(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(stage.os, "link", link)
    finetune_by_recipe(workspace, settings(), Control())
    adopted = workspace.current("finetune", "auto")
    same = workspace.current("finetune", str(adopted.manifest.facts["recipe"]))
    assert adopted.read("item_vectors").equals(same.read("item_vectors"))
    assert not (adopted.path / "weights.safetensors").samefile(same.path / "weights.safetensors")


def test_a_second_call_is_up_to_date_and_trains_nothing(workspace: Workspace) -> None:
    finetune_by_recipe(workspace, settings(), Control())
    before = {name: workspace.current("finetune", name).manifest.finished for name in workspace.runs("finetune")}
    result = finetune_by_recipe(workspace, settings(), Control())
    assert result.status == "up to date"
    assert not any(line.startswith("wrote") for line in result.lines)
    after = {name: workspace.current("finetune", name).manifest.finished for name in workspace.runs("finetune")}
    assert before == after


def test_a_refit_trains_the_winner_on_all_rows(workspace: Workspace) -> None:
    result = finetune_by_recipe(workspace, settings(refit=True, as_of="test"), Control())
    assert result.version is not None
    assert result.version.name == "auto-refit-test"
    winner = workspace.current("finetune", "auto").manifest.settings["encoder"]
    assert result.version.manifest.settings["encoder"] == winner
    assert result.version.manifest.facts["parts"] == ["train", "valid"]


def test_tasks_beside_the_first_one_are_trained_too(tmp_path: Path) -> None:
    workspace = shop(tmp_path, split="random", task="rating")
    finetune_by_recipe(workspace, settings(task="rating,ranking:0.3"), Control())
    assert workspace.current("finetune", "auto").manifest.facts["side_tasks"] == {"ranking": 0.3}


def test_what_the_recipe_chooses_must_not_be_set(workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match=r"--recipe single chooses --loss, which is set too") as caught:
        finetune_by_recipe(workspace, settings(loss="bpr"), Control())
    assert caught.value.hint == "leave out --loss, or --recipe"
    with pytest.raises(ConfigError, match=r"chooses encoder\.\*, which"):
        finetune_by_recipe(workspace, settings(encoder_settings={"dim": 4}), Control())
    with pytest.raises(ConfigError, match=r"chooses aux\.\*, which"):
        finetune_by_recipe(workspace, settings(aux_settings={"noise": 0.1}), Control())


def test_names_that_there_are_not_are_told_before_anything_is_trained(workspace: Workspace) -> None:
    warned: list[str] = []
    with pytest.raises(ConfigError, match="no metric called 'ndgc'"):
        finetune_by_recipe(workspace, settings(metric="ndgc@10"), Control(warn=warned.append))
    with pytest.raises(MissingArtifactError, match="pretrain has not run"):
        finetune_by_recipe(workspace, settings(pretrained="nothing"), Control(warn=warned.append))
    assert (warned, workspace.runs("finetune")) == ([], [])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"swa": 1, "average": 0.9}, "swa and average are two means of weights: choose one"),
        ({"memory": 64}, "memory: loss 'softmax' uses no negatives"),
        ({"encoder_path": "folder"}, "--encoder-path: encoder 'history' reads no text model"),
    ],
)
def test_a_mistake_in_what_was_set_ends_it_although_others_could_be_trained(
    workspace: Workspace, given: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        finetune_by_recipe(workspace, settings(**given), Control())
    assert "auto" not in workspace.runs("finetune")


def test_what_only_a_training_can_use_leaves_closed_forms_out(workspace: Workspace) -> None:
    given = FinetuneSettings(encoder="ease", name="old", device="cpu", threads=1)
    stage.finetune_one(workspace, given, Control())
    warned: list[str] = []
    finetune_by_recipe(workspace, settings(teacher=("old",)), Control(warn=warned.append))
    assert warned[0] == "ease is left out: teacher: encoder 'ease' cannot be taught a ranking"
    assert workspace.runs("finetune") == ["auto", "auto-history", "auto-lightgcn", "old"]


def test_an_encoder_that_does_not_fit_the_data_is_left_out_before_others_are_trained(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "_candidates", lambda *args: [Candidate("sasrec", "one"), Candidate("ease", "two")])
    warned: list[str] = []
    finetune_by_recipe(workspace, settings(patience=2), Control(warn=warned.append))
    assert len(warned) == 1
    assert warned[0].startswith("sasrec is left out: ")
    monkeypatch.setattr(stage, "_candidates", lambda *args: [Candidate("sasrec", "one")])
    with pytest.raises(ConfigError, match="sasrec"):
        finetune_by_recipe(workspace, settings(patience=2), Control())


def test_a_plan_trains_nothing(workspace: Workspace) -> None:
    result = finetune_by_recipe(workspace, settings(), Control(dry_run=True))
    assert (result.status, result.why) == ("planned", ("5 encoders are to be compared",))
    assert result.lines[0] == "ease: items that go together, in closed form, and words of texts beside them"
    assert workspace.runs("finetune") == []


def failing(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    real = stage.finetune_one

    def finetune(workspace: Workspace, given: FinetuneSettings, *rest: Any) -> Any:
        if given.encoder in names:
            raise DivergedError(f"{given.encoder} ran away")
        return real(workspace, given, *rest)

    monkeypatch.setattr(stage, "finetune_one", finetune)


def test_an_encoder_that_fails_is_left_out(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "ease")
    warned: list[str] = []
    finetune_by_recipe(workspace, settings(), Control(warn=warned.append))
    assert warned == ["ease is left out: ease ran away"]
    assert "auto-ease" not in workspace.runs("finetune")


def test_where_all_fail_the_last_error_stands(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "ease", "history", "lightgcn", "als", "item-knn")
    with pytest.raises(DivergedError, match="item-knn ran away"):
        finetune_by_recipe(workspace, settings(), Control())


def test_a_signal_ends_it_and_what_was_tried_stays(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    signals = iter([None] * 3)
    monkeypatch.setattr(stage, "_candidates", lambda *args: [Candidate("ease", "one"), Candidate("history", "two")])

    def stop() -> int | None:
        return 15 if "auto-ease" in workspace.runs("finetune") else next(signals, None)

    with pytest.raises(Interrupted):
        finetune_by_recipe(workspace, settings(), Control(stop=stop))
    assert workspace.runs("finetune") == ["auto-ease"]
    assert finetune_by_recipe(workspace, settings(), Control()).status == "done"


def test_without_a_validation_part_there_is_nothing_to_choose_on(tmp_path: Path) -> None:
    workspace = shop(tmp_path, split="random", ratios=(9, 0, 1))
    with pytest.raises(DataError, match="there is no validation part to choose on"):
        finetune_by_recipe(workspace, settings(), Control())


def test_nothing_is_prepared(tmp_path: Path) -> None:
    with pytest.raises(MissingArtifactError):
        finetune_by_recipe(Workspace(tmp_path / "none"), settings(), Control())


def test_finetune_follows_a_recipe_that_it_is_given(workspace: Workspace) -> None:
    result = finetune(workspace, settings(), Control(dry_run=True))
    assert result.why == ("5 encoders are to be compared",)


def test_the_data_is_read_once_for_all(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    tables: list[str] = []
    real = Version.read

    def read(self: Version, artifact: str, columns: list[str] | None = None) -> Any:
        tables.append(artifact)
        return real(self, artifact, columns)

    monkeypatch.setattr(Version, "read", read)
    finetune_by_recipe(workspace, settings(), Control())
    assert len(workspace.runs("finetune")) > 3
    assert (tables.count("interactions"), tables.count("items")) == (1, 1)
