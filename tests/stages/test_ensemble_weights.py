"""Weights chosen on validation against brute force over literal scores and places; stored, and found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from shop import shop

from reccli.artifacts import Prepared
from reccli.errors import ConfigError, DataError, MissingArtifactError
from reccli.settings import EvaluateSettings, FinetuneSettings, RecommendSettings
from reccli.stages import ensemble_weights
from reccli.stages.common import Control
from reccli.stages.ensemble_weights import grid, weights_of
from reccli.stages.evaluate import evaluate
from reccli.stages.finetune import finetune
from reccli.stages.opening import open_run
from reccli.stages.recommend import recommend
from reccli.stages.serving import Served
from reccli.workspace import Workspace

torch.set_num_threads(1)
RUNS = ("history", "spectral", "mf")
SETTINGS: dict[str, dict[str, Any]] = {
    "history": {"epochs": 1, "encoder_settings": {"dim": 4, "start": "random"}},
    "spectral": {"encoder_settings": {"rank": 3, "exponent": 0.2}},
    "mf": {"epochs": 1, "encoder_settings": {"dim": 2, "start": "random"}},
}


def train(workspace: Workspace, encoder: str, **changes: Any) -> None:
    values = {"encoder": encoder, "name": encoder, "device": "cpu", "threads": 1, **SETTINGS[encoder], **changes}
    finetune(workspace, FinetuneSettings(**values), Control())


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = shop(
        tmp_path_factory.mktemp("shop"), users=60, items=40, split="random", ratios=(0.6, 0.2, 0.2), seed=3
    )
    for encoder in RUNS:
        train(workspace, encoder)
    return workspace


def members(workspace: Workspace, *runs: str, parts: tuple[str, ...] = ("train", "valid")) -> list[Served]:
    return [open_run(workspace, run, parts, Control(), device="cpu") for run in runs]


def literal_ndcg(served: list[Served], weights: tuple[float, ...], mix: str) -> float:
    """NDCG@10 on validation, one user at a time, in float64."""
    prepared = served[0].prepared
    train, held = prepared.histories("train"), prepared.histories("valid")
    values = []
    for user in range(held.n_users):
        wanted = set(held.rows([user]).item_E.tolist())
        reached = [run.reachable_U[user] for run, weight in zip(served, weights, strict=True)]
        if not wanted or not any(reached):
            continue
        seen = set(train.rows([user]).item_E.tolist())
        total: dict[int, float] = {}
        for run, weight in zip(served, weights, strict=True):
            if weight == 0:
                continue
            score_I = run.item_ID.astype(np.float64) @ run.user_UD[user].astype(np.float64)
            known = np.flatnonzero(run.reachable_I)
            z_I = (score_I - score_I[known].mean()) / score_I[known].std()
            order = sorted((item for item in known if item not in seen), key=lambda item: (-score_I[item], item))
            for place, item in enumerate(order):
                more = z_I[item] if mix == "score" else 1 / (60 + place + 1)
                total[item] = total.get(item, 0.0) + weight * more
        best = sorted(total, key=lambda item: (-np.float32(total[item]), item))[:10]
        gain = sum(1 / np.log2(place + 2) for place, item in enumerate(best) if item in wanted)
        values.append(gain / sum(1 / np.log2(place + 2) for place in range(min(10, len(wanted)))))
    return float(np.mean(values))


@pytest.mark.parametrize("mix", ["score", "rank"])
@pytest.mark.parametrize("runs", [RUNS[:2], RUNS[1:], RUNS])
def test_weights_are_those_of_brute_force(workspace: Workspace, runs: tuple[str, ...], mix: str) -> None:
    found = weights_of(workspace, members(workspace, *runs), ("auto",), mix, Control())
    before = members(workspace, *runs, parts=("train",))
    values = {point: literal_ndcg(before, point, mix) for point in grid(len(runs))}
    assert sum(found.values) == pytest.approx(1)
    assert found.facts["value"] == pytest.approx(literal_ndcg(before, found.values, mix), abs=1e-9)
    assert found.facts["equal"] == pytest.approx(literal_ndcg(before, (1 / len(runs),) * len(runs), mix), abs=1e-9)
    for place, name in enumerate(runs):
        alone = tuple(float(place == other) for other in range(len(runs)))
        assert found.facts["alone"][name] == pytest.approx(literal_ndcg(before, alone, mix), abs=1e-9)
    best = max(values.values())
    if len(runs) == 2:
        assert found.facts["value"] == pytest.approx(best, abs=1e-9)
        first = next(point for point, value in values.items() if value > best - 1e-9)
        assert found.values == first, "of equal ones the nearest to equal weights"
    else:
        assert found.facts["value"] >= best - 1e-9
    assert found.facts["value"] >= max(found.facts["alone"].values())


def test_the_test_part_is_never_looked_at(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: set[str] = set()
    real = Prepared.histories

    def histories(self: Prepared, *parts: str) -> Any:
        asked.update(parts or self.parts)
        return real(self, *parts)

    served = members(workspace, "mf", "history", parts=("train", "valid", "test"))
    monkeypatch.setattr(Prepared, "histories", histories)
    weights_of(workspace, served, ("auto",), "score", Control())
    assert asked == {"train", "valid"}


def test_a_run_may_be_called_as_if_it_were_a_refit(workspace: Workspace) -> None:
    train(workspace, "mf", name="other-refit")
    served = members(workspace, "spectral", "other-refit")
    found = weights_of(workspace, served, ("auto",), "score", Control())
    assert found.told is not None
    assert "other-refit " in found.told
    assert found.facts["alone"].keys() == {"spectral", "other-refit"}
    assert workspace.current("ensemble", "ensemble-spectral-other-refit").read("weights").height == 2


def test_the_choice_is_stored_and_found_again(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = ("spectral", "history")
    settings = EvaluateSettings(
        runs=runs, ensemble=True, compare=True, weights=("auto",), metrics=("ndcg",), resamples=10, device="cpu"
    )
    result = evaluate(workspace, settings, Control())
    version = workspace.current("ensemble", "ensemble-spectral-history")
    chosen = version.read("weights")
    assert chosen["run"].to_list() == list(runs)
    assert result.lines[0].startswith("weights chosen on validation: spectral ")
    assert result.data["weights"]["values"] == chosen["weight"].to_list()

    def never(*_: Any) -> Any:
        raise AssertionError("chosen again")

    monkeypatch.setattr(ensemble_weights, "validation_values", never)
    warned: list[str] = []
    assert evaluate(workspace, settings, Control(warn=warned.append)).status == "up to date"
    assert warned == []
    evaluate(workspace, settings.model_copy(update={"split": "valid"}), Control(warn=warned.append))
    assert warned == ["the weights were chosen on the part that they are measured on; test tells what they are worth"]
    said: list[str] = []
    listed = recommend(
        workspace, RecommendSettings(run=runs, weights=("auto",), device="cpu"), Control(say=said.append)
    )
    assert said == [result.lines[0]]
    weight_M = tuple(chosen["weight"].to_list())
    if min(weight_M) > 0:
        given = recommend(workspace, RecommendSettings(run=runs, weights=weight_M, device="cpu"), Control())
        assert listed.version.read("recommendations").equals(given.version.read("recommendations"))
    with pytest.raises(AssertionError, match="chosen again"):
        recommend(workspace, RecommendSettings(run=runs, weights=("auto",), mix="rank", device="cpu"), Control())


def test_refitted_runs_take_what_was_chosen_before(tmp_path: Path) -> None:
    workspace = shop(tmp_path, users=40, items=24, split="random", ratios=(0.6, 0.2, 0.2))
    for encoder in ("history", "spectral"):
        train(workspace, encoder)
        train(workspace, encoder, refit=True)
    refitted = RecommendSettings(run=("history-refit", "spectral-refit"), weights=("auto",), device="cpu")
    with pytest.raises(MissingArtifactError, match="no weights were chosen before it did") as missing:
        recommend(workspace, refitted, Control())
    wanted = "reccli evaluate --run history --run spectral --ensemble --weight auto --mix score"
    assert missing.value.hint == wanted
    chosen = weights_of(workspace, members(workspace, "history", "spectral"), ("auto",), "score", Control())
    served = members(workspace, "history-refit", "spectral-refit")
    assert weights_of(workspace, served, ("auto",), "score", Control()).values == chosen.values
    assert recommend(workspace, refitted, Control()).version is not None
    with pytest.raises(MissingArtifactError, match="no weights were chosen before it did"):
        weights_of(workspace, served, ("auto",), "rank", Control())
    train(workspace, "history", refit=True, seed=7)
    other = members(workspace, "history-refit", "spectral-refit")
    with pytest.raises(MissingArtifactError, match="of other runs or settings"):
        weights_of(workspace, other, ("auto",), "score", Control())


def test_ratings_are_weighed_by_their_error(tmp_path: Path) -> None:
    workspace = shop(tmp_path, users=40, items=24, task="rating", split="random", ratios=(0.6, 0.2, 0.2))
    for encoder in ("mf", "history"):
        train(workspace, encoder)
    served = members(workspace, "mf", "history", parts=("train",))
    found = weights_of(workspace, served, ("auto",), "score", Control())
    held = served[0].prepared.histories("valid")
    score_MR = [run.pair_scores(held.user_E, held.item_E) for run in served]
    low, high = served[0].facts["value_range"]
    errors = {
        (a, b): float(np.sqrt(np.mean(((a * score_MR[0] + b * score_MR[1]).clip(low, high) - held.value_E) ** 2)))
        for a, b in grid(2)
    }
    assert found.facts["metric"] == "rmse"
    assert found.facts["value"] == pytest.approx(min(errors.values()), abs=1e-9)
    assert errors[found.values] == pytest.approx(min(errors.values()), abs=1e-9)
    with pytest.raises(ConfigError, match="predicts values, not places"):
        weights_of(workspace, served, ("auto",), "rank", Control())


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 13, 100])
def test_the_grid_is_bounded_and_begins_at_the_middle(n: int) -> None:
    points = grid(n)
    assert n <= len(points) <= 100
    assert len(set(points)) == len(points)
    for point in points:
        assert sum(point) == pytest.approx(1)
        assert min(point) >= 0
    distances = [sum((part - 1 / n) ** 2 for part in point) for point in points]
    assert distances == sorted(distances, key=lambda distance: round(distance, 12))
    for run in range(n):
        assert tuple(float(run == other) for other in range(n)) in points


def test_what_cannot_be_weighed_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="up to 100 runs, not 101"):
        grid(101)
    with pytest.raises(ConfigError, match="--weight auto weighs several runs"):
        weights_of(workspace, members(workspace, "mf"), ("auto",), "score", Control())
    for wrong in (("auto", 1.0), (0.0, 1.0), (-1.0,), (float("inf"), 1.0)):
        for settings in (EvaluateSettings, RecommendSettings):
            with pytest.raises(ValueError, match=r"give 'auto' alone|above 0"):
                settings(weights=wrong)
    without = shop(tmp_path, split="random", ratios=(0.8, 0.0, 0.2))
    for encoder in ("history", "spectral"):
        train(without, encoder)
    with pytest.raises(DataError, match="no validation part to choose weights on"):
        weights_of(without, members(without, "history", "spectral"), ("auto",), "score", Control())


def test_a_dry_run_chooses_nothing(workspace: Workspace) -> None:
    served = members(workspace, "mf", "spectral")
    assert weights_of(workspace, served, ("auto",), "score", Control(dry_run=True)).values == ()
    assert "ensemble-mf-spectral" not in workspace.runs("ensemble")


def test_weights_by_score_and_by_rank_are_stored_apart(workspace: Workspace) -> None:
    runs = members(workspace, "spectral", "mf", parts=("train",))
    by_score = weights_of(workspace, runs, ("auto",), "score", Control())
    by_rank = weights_of(workspace, runs, ("auto",), "rank", Control())
    assert workspace.current("ensemble", "ensemble-spectral-mf").manifest.facts["mix"] == "score"
    assert workspace.current("ensemble", "ensemble-by-rank-spectral-mf").manifest.facts["mix"] == "rank"
    assert (by_score.facts["mix"], by_rank.facts["mix"]) == ("score", "rank")


def test_lists_by_rank_are_the_same_in_both_stages(workspace: Workspace) -> None:
    runs = ("history", "mf")
    given: dict[str, Any] = {"weights": (2.0, 1.0), "mix": "rank", "device": "cpu"}
    frame = recommend(workspace, RecommendSettings(run=runs, k=5, as_of="test", **given), Control()).version
    frame = frame.read("recommendations")
    served = members(workspace, *runs)
    known = served[0].histories
    for user in range(0, known.n_users, 7):
        seen = set(known.rows([user]).item_E.tolist())
        total: dict[int, float] = {}
        for run, weight in zip(served, (2.0, 1.0), strict=True):
            score_I = run.item_ID.astype(np.float64) @ run.user_UD[user].astype(np.float64)
            free = [item for item in np.flatnonzero(run.reachable_I) if item not in seen]
            for place, item in enumerate(sorted(free, key=lambda item: (-score_I[item], item))):
                total[item] = total.get(item, 0.0) + weight / (60 + place + 1)
        best = sorted(total, key=lambda item: (-np.float32(total[item]), item))[:5]
        ids = served[0].prepared.items["item_id"].gather(best).to_list()
        name = served[0].prepared.users["user_id"][user]
        assert frame.filter(frame["user_id"] == name)["item_id"].to_list() == ids
    settings = EvaluateSettings(runs=runs, ensemble=True, ks=(5,), resamples=0, **given)
    result = evaluate(workspace, settings, Control())
    metrics = {row["metric"] for row in result.data["metrics"]}
    assert "ndcg" in metrics
    assert "auc" not in metrics
    hits = 0
    test = served[0].prepared.histories("test")
    code_of = {name: code for code, name in enumerate(served[0].prepared.items["item_id"])}
    users = {name: code for code, name in enumerate(served[0].prepared.users["user_id"])}
    wanted = {(int(u), int(i)) for u, i in zip(test.user_E, test.item_E, strict=True)}
    for row in frame.iter_rows(named=True):
        hits += (users[row["user_id"]], code_of[row["item_id"]]) in wanted
    precision = next(row["value"] for row in result.data["metrics"] if row["metric"] == "precision")
    n_users = int((test.length_U > 0).sum())
    assert precision == pytest.approx(hits / (5 * n_users))
    with pytest.raises(ConfigError, match="auc is of scores"):
        evaluate(workspace, settings.model_copy(update={"metrics": ("auc",)}), Control())


def test_a_history_is_ranked_by_the_runs_that_can(workspace: Workspace) -> None:
    given: dict[str, Any] = {"history": ("i0", "i2"), "k": 4, "device": "cpu"}
    finetune(workspace, FinetuneSettings(encoder="lightgcn", name="lightgcn", epochs=0, device="cpu"), Control())
    both = RecommendSettings(run=("lightgcn", "history"), mix="rank", **given)
    one = RecommendSettings(run=("history",), **given)
    lists = [recommend(workspace, settings, Control()).version.read("recommendations") for settings in (both, one)]
    assert lists[0]["item_id"].to_list() == lists[1]["item_id"].to_list()
