"""Recipes keep a mixture where it is better than the best run alone, and only there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from shop import shop

from reccli.artifacts import Prepared
from reccli.settings import EvaluateSettings, FinetuneSettings, RecommendSettings
from reccli.stages import recipe, recipe_mixture
from reccli.stages.common import Control
from reccli.stages.evaluate import evaluate
from reccli.stages.finetune import finetune
from reccli.stages.recipe_mixture import Mixing, mixing_of
from reccli.stages.recommend import recommend
from reccli.training.recipes import Candidate
from reccli.workspace import Workspace

torch.set_num_threads(1)
ENCODERS = ("ease", "history", "item-knn")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = shop(tmp_path_factory.mktemp("shop"), users=60, items=40, split="random")
    for encoder in ENCODERS:
        given = FinetuneSettings(encoder=encoder, name=f"auto-{encoder}", epochs=2, device="cpu", threads=1)
        finetune(workspace, given, Control())
    return workspace.path


@pytest.fixture
def workspace(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    shortlist = [Candidate(name, "a reason") for name in ENCODERS]
    monkeypatch.setattr(recipe, "_candidates", lambda *_: shortlist)
    return Workspace(shutil.copytree(prepared, tmp_path / "workspace"))


@pytest.fixture
def any_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe_mixture, "GAIN", -1.0)
    monkeypatch.setattr(recipe_mixture, "WITHIN", 0.0)


def settings(**values: Any) -> FinetuneSettings:
    return FinetuneSettings(**{"recipe": "auto", "device": "cpu", "threads": 1, "epochs": 2, **values})


def mixing(workspace: Workspace, said: list[str] | None = None) -> Mixing | None:
    versions = [workspace.current("finetune", f"auto-{name}") for name in ENCODERS]
    versions.sort(key=lambda version: -version.manifest.facts["best_value"])
    values = [version.manifest.facts["best_value"] for version in versions]
    control = Control(say=(said if said is not None else []).append)
    data = Prepared(workspace.current("prepare"))
    return mixing_of(workspace, data, versions, values, device="cpu", control=control)


@pytest.mark.usefixtures("any_gain")
def test_the_value_is_what_evaluate_measures(workspace: Workspace) -> None:
    found = mixing(workspace)
    assert found is not None
    assert sum(found.weights) == pytest.approx(1.0)
    assert found.value >= found.alone
    finetune(workspace, settings(), Control())
    measured = evaluate(
        workspace, EvaluateSettings(split="valid", ks=(10,), metrics=("ndcg",), device="cpu"), Control()
    )
    assert measured.data["metrics"][0]["value"] == pytest.approx(found.value, abs=1e-6)


def test_less_than_a_percent_is_not_worth_it(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(recipe_mixture, "GAIN", 10.0)
    monkeypatch.setattr(recipe_mixture, "WITHIN", 0.0)
    assert mixing(workspace, said) is None
    assert said[0] == "mixing 3 of them by their scores"
    assert said[-1].endswith("of the best alone, which is kept: less than 1000% better")


def test_runs_far_below_the_best_take_no_part(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe_mixture, "WITHIN", 1.0001)
    said: list[str] = []
    assert mixing(workspace, said) is None
    assert said == []


@pytest.mark.usefixtures("any_gain")
def test_a_mixture_becomes_the_last_run_and_is_served(workspace: Workspace) -> None:
    result = finetune(workspace, settings(), Control())
    assert result.status == "done"
    assert workspace.last_run("finetune") == "auto"
    version = workspace.current("finetune", "auto")
    assert version.has("mixture.parquet")
    assert result.lines[0].startswith("recipe: ")
    assert ", better together  valid ndcg@10 " in result.lines[0]
    assert result.lines[1].endswith("added; --recipe single keeps the best of them alone")
    assert version.manifest.settings["encoder"] == " + ".join(
        name.removeprefix("auto-") for name in version.manifest.facts["recipe"]
    )
    assert recommend(workspace, RecommendSettings(k=3, device="cpu"), Control()).data["run"] == "auto"
    again = finetune(workspace, settings(), Control())
    assert again.status == "up to date"
    assert not any(line.startswith("wrote") for line in again.lines)


@pytest.mark.usefixtures("any_gain")
def test_a_refit_trains_all_that_is_mixed(workspace: Workspace) -> None:
    result = finetune(workspace, settings(refit=True, as_of="test"), Control())
    assert result.version is not None
    assert result.version.name == "auto-refit-test"
    facts, first = result.version.manifest.facts, workspace.current("finetune", "auto").manifest.facts
    assert (facts["parts"], facts["refit"], facts["best_value"]) == (["train", "valid"], True, None)
    assert facts["mixture"] == {f"{name}-refit-test": weight for name, weight in first["mixture"].items()}
    assert facts["recipe"] == [f"{name}-refit-test" for name in first["recipe"]]
    assert "test part" in evaluate(workspace, EvaluateSettings(device="cpu"), Control()).lines[0]


@pytest.mark.usefixtures("any_gain")
def test_a_single_run_is_kept_when_asked_for(workspace: Workspace) -> None:
    finetune(workspace, settings(recipe="single"), Control())
    version = workspace.current("finetune", "auto")
    assert not version.has("mixture.parquet")
    assert version.manifest.settings["encoder"] in ENCODERS
    assert workspace.runs("ensemble") == []


@pytest.mark.usefixtures("any_gain")
def test_ratings_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = shop(tmp_path, split="random", task="rating")
    monkeypatch.setattr(recipe, "_candidates", lambda *_: [Candidate("mf", "one"), Candidate("tastes", "two")])
    finetune(workspace, settings(), Control())
    assert not workspace.current("finetune", "auto").has("mixture.parquet")
