"""Ensembles against a literal sum of z-scores, over runs of different encoders, through both stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from shop import shop
from tiny_bert import tiny_bert

from reccli.artifacts import PARTS
from reccli.errors import ConfigError, MissingArtifactError
from reccli.settings import EvaluateSettings, FinetuneSettings, RecommendSettings
from reccli.stages.common import Control
from reccli.stages.ensemble import Ensemble, ensemble_of
from reccli.stages.evaluate import evaluate
from reccli.stages.finetune import finetune
from reccli.stages.opening import open_run
from reccli.stages.recommend import recommend
from reccli.stages.serving import Served
from reccli.workspace import Workspace

torch.set_num_threads(1)
RUNS = ("bert-infonce", "mf-softmax", "ease")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("shop")
    workspace = shop(folder)
    path = str(tiny_bert(folder / "tiny"))
    for encoder, given in (("bert", {"path": path}), ("mf", {"dim": 4}), ("ease", {"words": 0})):
        values = {"encoder": encoder, "encoder_settings": given, "epochs": 2, "device": "cpu", "threads": 1}
        finetune(workspace, FinetuneSettings(**values), Control())
    return workspace


def members(workspace: Workspace, *runs: str) -> list[Served]:
    return [open_run(workspace, run, PARTS, Control(), device="cpu") for run in runs]


def literal(served: list[Served], weights: list[float]) -> np.ndarray:
    """One user and one run at a time, on full score matrices in float64."""
    total = np.zeros((len(served[0].user_UD), len(served[0].item_ID)))
    for run, weight in zip(served, weights, strict=True):
        score_UI = run.user_UD.astype(np.float64) @ run.item_ID.astype(np.float64).T
        for user in range(len(score_UI)):
            known = score_UI[user, run.reachable_I]
            if run.reachable_U[user] and known.std() > 0:
                z = (score_UI[user] - known.mean()) / known.std()
                total[user] += weight / sum(weights) * np.where(run.reachable_I, z, 0.0)
    return total


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (3.0, 1.0, 0.5)])
def test_scores_are_the_weighted_sum_of_z_scores(workspace: Workspace, weights: tuple[float, ...]) -> None:
    served = members(workspace, *RUNS)
    served[1].__dict__["reachable_I"] = np.arange(16) % 5 > 0  # as if it had not met some items
    served[2].__dict__["reachable_U"] = np.arange(24) % 7 > 0
    whole = ensemble_of(served, weights)
    np.testing.assert_allclose(whole.user_UD @ whole.item_ID.T, literal(served, list(weights)), atol=2e-5)
    assert whole.reachable_I.all()  # texts reach what the others cannot
    assert whole.reachable_U.all()


def test_no_run_outshouts_another_by_its_scale(workspace: Workspace) -> None:
    first, second = members(workspace, "bert-infonce", "mf-softmax")
    expected = ensemble_of([first, second]).user_UD @ ensemble_of([first, second]).item_ID.T
    second.__dict__["user_UD"] = 1000 * second.user_UD
    louder = ensemble_of([first, second])
    np.testing.assert_allclose(louder.user_UD @ louder.item_ID.T, expected, atol=1e-5)


def test_recommend_lists_by_both_and_names_them(workspace: Workspace) -> None:
    settings = RecommendSettings(run=("bert-infonce", "mf-softmax"), weights=(2, 1), k=5, device="cpu", explain=True)
    result = recommend(workspace, settings, Control())
    assert result.version is not None
    assert result.version.name == "ensemble-bert-infonce-mf-softmax"
    assert result.data["run"] == "bert-infonce + mf-softmax"
    assert {"finetune/bert-infonce", "finetune/mf-softmax"} <= set(result.version.manifest.parents)
    assert result.lines[0].startswith("recommended by bert-infonce + mf-softmax")
    score_UI = literal(members(workspace, "bert-infonce", "mf-softmax"), [2.0, 1.0])
    frame, prepared = result.version.read("recommendations"), members(workspace, "ease")[0].prepared
    for user, rows in frame.group_by("user_id", maintain_order=True):
        code = prepared.users["user_id"].to_list().index(user[0])
        seen = set(prepared.histories(*PARTS).rows([code]).item_E.tolist())
        best = [item for item in np.argsort(-score_UI[code], kind="stable") if item not in seen][:5]
        np.testing.assert_allclose(rows["score"].to_numpy(), score_UI[code][best], atol=1e-4)
    assert recommend(workspace, settings, Control()).status == "up to date"
    other = settings.model_copy(update={"weights": ()})
    assert recommend(workspace, other, Control()).status == "done"


def test_a_history_is_served_by_the_runs_that_can(workspace: Workspace) -> None:
    settings = RecommendSettings(run=("mf-softmax", "bert-infonce"), history=("i0", "i2"), k=4, device="cpu")
    both = recommend(workspace, settings, Control()).version.read("recommendations")
    alone = settings.model_copy(update={"run": ("bert-infonce",)})
    one = recommend(workspace, alone, Control()).version.read("recommendations")
    assert both["item_id"].to_list() == one["item_id"].to_list()
    finetune(workspace, FinetuneSettings(encoder="lightgcn", name="lightgcn", epochs=0, device="cpu"), Control())
    with pytest.raises(ConfigError, match=r"of run 'mf-softmax \+ lightgcn' knows only the users"):
        recommend(workspace, settings.model_copy(update={"run": ("mf-softmax", "lightgcn")}), Control())


def test_new_items_are_scored_by_the_runs_that_can(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("item,title,genres\nn1,The rocket planet robot story,space|robot\n")
    given: dict[str, Any] = {"k": 17, "new_items": str(tmp_path / "new.csv"), "include_seen": True, "device": "cpu"}
    frame = recommend(workspace, RecommendSettings(run=RUNS, **given), Control()).version.read("recommendations")
    assert frame.filter(pl.col("item_id") == "n1").height == frame["user_id"].n_unique()
    whole = ensemble_of(members(workspace, *RUNS))
    assert isinstance(whole, Ensemble)
    bert = members(workspace, "bert-infonce")[0]
    text = "The rocket planet robot story (space, robot)"
    score_UI = bert.user_UD @ bert.item_ID.T
    new_U = (bert.user_UD @ bert.encode_items([text]).T)[:, 0]
    expected = (new_U - score_UI.mean(1)) / score_UI.std(1) / 3
    np.testing.assert_allclose((whole.user_UD @ whole.encode_items([text]).T)[:, 0], expected, atol=1e-4)


@pytest.mark.parametrize("compare", [False, True])
def test_evaluate_refuses_a_run_that_is_given_twice(workspace: Workspace, compare: bool) -> None:
    settings = EvaluateSettings(runs=("mf-softmax", "mf-softmax"), compare=compare, device="cpu")
    with pytest.raises(ConfigError, match=r"^run 'mf-softmax' is given twice$"):
        evaluate(workspace, settings, Control())


def test_evaluate_measures_the_ensemble_and_compares_it_with_its_runs(workspace: Workspace) -> None:
    settings = EvaluateSettings(
        runs=("bert-infonce", "mf-softmax"), ensemble=True, compare=True, metrics=("ndcg",), resamples=20, device="cpu"
    )
    version = evaluate(workspace, settings, Control()).version
    names = version.read("metrics")["run"].unique(maintain_order=True).to_list()
    assert names == ["ensemble-bert-infonce-mf-softmax", "bert-infonce", "mf-softmax"]
    differences = version.read("differences")
    assert set(differences["run"]) == {"ensemble-bert-infonce-mf-softmax"}
    assert set(differences["against"]) == {"bert-infonce", "mf-softmax"}
    alone = evaluate(workspace, settings.model_copy(update={"compare": False}), Control()).version
    assert alone.read("metrics")["run"].unique().to_list() == ["ensemble-bert-infonce-mf-softmax"]


@pytest.mark.parametrize(
    ("runs", "weights", "error", "message"),
    [
        (("ease", "ease"), (), ConfigError, "takes each run once"),
        (("ease", "mf-softmax"), (1.0,), ConfigError, "1 for 2 runs"),
        (("ease",), (1.0, 2.0), ConfigError, "2 for 1 runs"),
        (("ease", "nothing"), (), MissingArtifactError, "no finetune run called 'nothing'"),
    ],
)
def test_what_does_not_fit_is_refused(
    workspace: Workspace, runs: tuple[str, ...], weights: tuple[float, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        recommend(workspace, RecommendSettings(run=runs, weights=weights, device="cpu"), Control())


def test_evaluate_needs_two_runs(workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match="--ensemble needs two runs"):
        evaluate(workspace, EvaluateSettings(runs=("ease",), ensemble=True, device="cpu"), Control())


@pytest.mark.parametrize(("name", "given"), [("weight", {"weights": ("auto",)}), ("mix", {"mix": "rank"})])
def test_what_is_of_an_ensemble_is_refused_where_runs_are_measured_alone(
    workspace: Workspace, name: str, given: dict[str, Any]
) -> None:
    runs = ("ease", "mf-softmax")
    with pytest.raises(ConfigError, match=f"--{name} is of runs taken as one") as caught:
        evaluate(workspace, EvaluateSettings(runs=runs, device="cpu", **given), Control())
    assert caught.value.hint == f"--ensemble, or leave out --{name}"


def test_ratings_are_the_weighted_mean_of_what_runs_predict(tmp_path: Path) -> None:
    workspace = shop(tmp_path, users=12, items=12, task="rating")
    for encoder in ("mf", "history"):
        finetune(workspace, FinetuneSettings(encoder=encoder, epochs=2, device="cpu", name=encoder), Control())
    first, second = members(workspace, "mf", "history")
    whole = ensemble_of([first, second], (3.0, 1.0))
    expected = 0.75 * first.user_UD @ first.item_ID.T + 0.25 * second.user_UD @ second.item_ID.T
    np.testing.assert_allclose(whole.user_UD @ whole.item_ID.T, expected, rtol=1e-4)
    user_R, item_R = np.divmod(np.arange(144), 12)
    np.testing.assert_allclose(whole.pair_scores(user_R, item_R), expected.ravel(), rtol=1e-4)


def test_ratings_of_what_a_run_has_not_met_are_not_zeros(tmp_path: Path) -> None:
    workspace = shop(tmp_path, users=12, items=12, task="rating")
    for encoder in ("mf", "history"):
        finetune(workspace, FinetuneSettings(encoder=encoder, epochs=2, device="cpu", name=encoder), Control())
    served = members(workspace, "mf", "history")
    expected = np.mean([run.user_UD @ run.item_ID.T for run in served], axis=0)
    for run in served:
        run.__dict__["reachable_I"] = np.arange(12) % 3 > 0
        run.__dict__["reachable_U"] = np.arange(12) % 4 > 0
    whole = ensemble_of(served)
    np.testing.assert_allclose(whole.user_UD @ whole.item_ID.T, expected, rtol=1e-4)
    # someone who comes later is known to one of them alone, and what it predicts is all that is predicted
    later = served[1].histories.rows(np.array([3]))
    alone = served[1].encode(later) @ served[1].item_ID.T
    np.testing.assert_allclose(whole.encode(later) @ whole.item_ID.T, alone, rtol=1e-4)
