"""A mixture is a run: what it lists, how it is measured, mixed, taught from and found missing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from shop import shop

from reccli.artifacts import PARTS, Prepared
from reccli.errors import ConfigError, MissingArtifactError
from reccli.settings import EvaluateSettings, FinetuneSettings, RecommendSettings
from reccli.stages.common import Control
from reccli.stages.ensemble import Ensemble, ensemble_of
from reccli.stages.evaluate import evaluate
from reccli.stages.finetune import finetune
from reccli.stages.mixture import Mixture, store_mixture
from reccli.stages.opening import open_run, opened
from reccli.stages.recommend import recommend
from reccli.workspace import Workspace

torch.set_num_threads(1)
WEIGHTS = (3.0, 1.0, 2.0)
RUNS = ("ease", "history-softmax", "item-knn")


def store(workspace: Workspace, name: str = "both", **given: Any) -> Any:
    prepared = Prepared(workspace.current("prepare"))
    runs = [workspace.current("finetune", run) for run in RUNS]
    whole = ensemble_of([opened(workspace, run, prepared, ("train",), device="cpu") for run in runs], WEIGHTS)
    assert isinstance(whole, Ensemble)
    settings = {"encoder": " + ".join(RUNS), "metric": "ndcg@10", **given}
    return store_mixture(workspace, name, whole, settings=settings, facts={"best_value": 0.5}, control=Control())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = shop(tmp_path_factory.mktemp("shop"), split="random")
    for encoder in ("ease", "history", "item-knn"):
        finetune(workspace, FinetuneSettings(encoder=encoder, epochs=2, device="cpu", threads=1), Control())
    status, version = store(workspace)
    assert (status, version.name) == ("done", "both")
    return workspace


@pytest.fixture
def workspace(made: Workspace, tmp_path: Path) -> Workspace:
    return Workspace(shutil.copytree(made.path, tmp_path / "workspace"))


def test_it_names_runs_and_weights_and_holds_no_vectors(made: Workspace) -> None:
    version = made.current("finetune")
    assert version.name == "both"
    assert sorted(version.manifest.outputs) == ["mixture.parquet"]
    rows = version.read("mixture")
    assert rows["run"].to_list() == list(RUNS)
    assert rows["weight"].to_list() == pytest.approx([0.5, 1 / 6, 1 / 3])
    assert rows["fingerprint"].to_list() == [made.current("finetune", run).fingerprint for run in RUNS]
    facts = version.manifest.facts
    assert facts["mixture"] == pytest.approx(dict(zip(RUNS, [0.5, 1 / 6, 1 / 3], strict=True)))
    assert (facts["task"], facts["parts"], facts["refit"]) == ("ranking", ["train"], False)
    assert (facts["serves_new_users"], facts["serves_new_items"], facts["best_value"]) == (True, True, 0.5)


def test_it_lists_what_the_ensemble_lists(made: Workspace) -> None:
    whole = ensemble_of([open_run(made, run, PARTS, Control(), device="cpu") for run in RUNS], WEIGHTS)
    alone = open_run(made, "both", PARTS, Control(), device="cpu")
    assert isinstance(alone, Mixture)
    everybody = np.arange(24)
    seen, allowed_I = whole.histories.rows(everybody), np.ones(16, np.bool_)
    first, second = (run.lists(everybody, k=5, seen=seen, allowed_I=allowed_I) for run in (whole, alone))
    np.testing.assert_array_equal(first.item_UK, second.item_UK)
    result = recommend(made, RecommendSettings(k=5, device="cpu"), Control())
    assert result.version is not None
    assert (result.version.name, result.data["runs"]) == ("both", ["both"])
    assert result.lines[0].startswith("recommended by both  24 users x 5")


def test_users_and_items_that_come_later_are_served(made: Workspace, tmp_path: Path) -> None:
    result = recommend(made, RecommendSettings(history=("i0", "i2"), k=3, device="cpu"), Control())
    assert result.data["rows"] == 3
    new = tmp_path / "new.csv"
    new.write_text("item,title,genres\nn1,space robot,space|robot\n")
    given = RecommendSettings(new_items=str(new), only_new=True, k=1, device="cpu")
    assert recommend(made, given, Control()).data["new_items_listed"] == 24


def test_it_is_measured_as_the_ensemble_of_its_runs(made: Workspace) -> None:
    given = EvaluateSettings(metrics=("ndcg",), device="cpu", resamples=0)
    alone = evaluate(made, given, Control())
    weights = {"runs": RUNS, "ensemble": True, "weights": WEIGHTS}
    whole = evaluate(made, given.model_copy(update=weights), Control())
    assert [row["value"] for row in alone.data["metrics"]] == [row["value"] for row in whole.data["metrics"]]
    against = evaluate(made, given.model_copy(update={"runs": ("both", "ease"), "compare": True}), Control())
    assert against.lines[0].split()[2:4] == ["both", "ease"]


def test_it_may_be_mixed_again_and_weighed(workspace: Workspace) -> None:
    finetune(workspace, FinetuneSettings(encoder="mf", epochs=2, device="cpu", threads=1), Control())
    given = EvaluateSettings(runs=("both", "mf-softmax"), ensemble=True, weights=("auto",), device="cpu", resamples=0)
    result = evaluate(workspace, given, Control())
    assert result.lines[0].startswith("weights chosen on validation: both ")


def test_it_may_teach_where_its_runs_have_dense_vectors(workspace: Workspace) -> None:
    given = {"encoder": "mf", "epochs": 1, "device": "cpu", "threads": 1, "name": "pupil"}
    with pytest.raises(ConfigError, match="scores by sparse vectors"):
        finetune(workspace, FinetuneSettings(**given, teacher=("both",)), Control())
    prepared = Prepared(workspace.current("prepare"))
    dense = [opened(workspace, workspace.current("finetune", r), prepared, ("train",), device="cpu") for r in RUNS[:2]]
    whole = ensemble_of(dense)
    assert isinstance(whole, Ensemble)
    store_mixture(workspace, "dense", whole, settings={"encoder": "two"}, facts={}, control=Control())
    result = finetune(workspace, FinetuneSettings(**given, teacher=("dense",)), Control())
    assert result.data["teachers"] == ["dense"]


def test_the_same_mixture_is_up_to_date(workspace: Workspace) -> None:
    assert store(workspace)[0] == "up to date"
    assert store(workspace, metric="ndcg@5")[0] == "done"


def test_a_run_that_was_trained_anew_stays_in_it_as_it_was(workspace: Workspace) -> None:
    before = open_run(workspace, "both", PARTS, Control(), device="cpu").item_ID
    again = FinetuneSettings(encoder="history", epochs=1, device="cpu", threads=1, name="history-softmax", seed=9)
    finetune(workspace, again, Control())
    after = open_run(workspace, "both", PARTS, Control(), device="cpu").item_ID
    np.testing.assert_array_equal(before.dense_ND, after.dense_ND)  # type: ignore[union-attr]


def test_a_run_that_is_gone_is_told(workspace: Workspace) -> None:
    shutil.rmtree(workspace.path / "finetune" / "ease")
    with pytest.raises(
        MissingArtifactError, match=r"run 'both' mixes 'ease' \([0-9a-f]{16}\), which is gone"
    ) as caught:
        recommend(workspace, RecommendSettings(device="cpu"), Control())
    assert caught.value.hint == "reccli finetune --recipe auto, with its settings, brings it back"


def test_a_mixture_is_not_planned(workspace: Workspace) -> None:
    prepared = Prepared(workspace.current("prepare"))
    whole = ensemble_of(
        [opened(workspace, workspace.current("finetune", r), prepared, ("train",), device="cpu") for r in RUNS]
    )
    assert isinstance(whole, Ensemble)
    with pytest.raises(ConfigError, match="a mixture cannot be planned"):
        store_mixture(workspace, "new", whole, settings={}, facts={}, control=Control(dry_run=True))
