"""Weightings measured all at once: lists as the search makes them, of dense and of sparse runs, whatever the block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from shop import shop

from reccli.settings import EvaluateSettings, FinetuneSettings
from reccli.stages import ensemble_scores, weighted_lists
from reccli.stages.common import Control
from reccli.stages.ensemble import ensemble_of
from reccli.stages.ensemble_scores import validation_values
from reccli.stages.evaluate import evaluate
from reccli.stages.finetune import finetune
from reccli.stages.opening import open_run
from reccli.training import validation
from reccli.workspace import Workspace

torch.set_num_threads(1)
RUNS = ("item-knn", "ease")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = shop(tmp_path_factory.mktemp("shop"), users=50, items=30, split="random", ratios=(0.6, 0.2, 0.2))
    for encoder in RUNS:
        finetune(workspace, FinetuneSettings(encoder=encoder, device="cpu", threads=1), Control())
    return workspace


@pytest.mark.parametrize("mix", ["score", "rank"])
@pytest.mark.parametrize("cells", [8_000_000, 500])
def test_a_weighting_is_worth_what_evaluate_says(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, mix: str, cells: int
) -> None:
    monkeypatch.setattr(weighted_lists, "BLOCK_CELLS", cells)
    monkeypatch.setattr(weighted_lists, "BEST", 12)
    monkeypatch.setattr(weighted_lists, "BEST_PER_PLACE", 1)
    members = [open_run(workspace, run, ("train",), Control(), device="cpu") for run in RUNS]
    whole = ensemble_of(members, (1.0, 1.0), mix)
    measure, higher = validation_values(whole, "ndcg@10")
    assert higher
    points = [(0.5, 0.5), (0.8, 0.2), (0.05, 0.95)]
    for point, value in zip(points, measure(points), strict=True):
        settings = EvaluateSettings(
            runs=RUNS, ensemble=True, weights=point, mix=mix, split="valid", metrics=("ndcg",), ks=(10,), device="cpu"
        )
        rows: list[dict[str, Any]] = evaluate(workspace, settings, Control()).data["metrics"]
        assert value == pytest.approx(rows[0]["value"], abs=1e-12)


def test_of_many_users_those_are_drawn_that_runs_were_validated_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "MOST_USERS", 9)
    workspace = shop(tmp_path, users=50, items=30, split="random", ratios=(0.6, 0.2, 0.2))
    for encoder in RUNS:
        finetune(workspace, FinetuneSettings(encoder=encoder, seed=3, device="cpu", threads=1), Control())
    members = [open_run(workspace, run, ("train",), Control(), device="cpu") for run in RUNS]
    whole = ensemble_of(members, (1.0, 1.0))
    assert len(ensemble_scores._users(whole)) == 9
    measure, _ = validation_values(whole, "ndcg@10")
    told = [workspace.current("finetune", run).manifest.facts["best_value"] for run in RUNS]
    assert measure([(1.0, 0.0), (0.0, 1.0)]) == pytest.approx(told, abs=1e-9)


def test_clicks_are_weighed_by_their_log_loss(tmp_path: Path) -> None:
    workspace = shop(tmp_path, users=30, items=20, task="ctr", split="random", ratios=(0.6, 0.2, 0.2))
    for encoder in ("mf", "history"):
        values = {"encoder": encoder, "name": encoder, "epochs": 1, "encoder_settings": {"dim": 4}, "device": "cpu"}
        finetune(workspace, FinetuneSettings(**values, loss="bce"), Control())
    members = [open_run(workspace, run, ("train",), Control(), device="cpu") for run in ("mf", "history")]
    measure, higher = validation_values(ensemble_of(members), "log-loss")
    held = members[0].prepared.histories("valid")
    score_R = 0.25 * members[0].pair_scores(held.user_E, held.item_E)
    score_R = score_R + 0.75 * members[1].pair_scores(held.user_E, held.item_E)
    chance_R = 1 / (1 + np.exp(-score_R))
    loss = -np.mean(held.value_E * np.log(chance_R) + (1 - held.value_E) * np.log(1 - chance_R))
    assert not higher
    assert measure([(0.25, 0.75)])[0] == pytest.approx(loss, rel=1e-6)
