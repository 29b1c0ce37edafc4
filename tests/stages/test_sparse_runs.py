"""Runs with sparse vectors through all stages: stored, loaded, evaluated, recommended by, explained, added up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from shop import shop

from reccli.api.vectors import MixedVectors
from reccli.artifacts import PARTS, Prepared, read_vectors
from reccli.errors import ConfigError, DamagedArtifactError
from reccli.settings import EvaluateSettings, FinetuneSettings, RecommendSettings
from reccli.stages.common import Control
from reccli.stages.ensemble import ensemble_of
from reccli.stages.evaluate import evaluate
from reccli.stages.finetune import finetune
from reccli.stages.opening import open_run
from reccli.stages.recommend import recommend
from reccli.stages.serving import Served
from reccli.training.restore import load_encoder
from reccli.workspace import Workspace

torch.set_num_threads(1)
ENCODERS = {"item-knn": {"neighbours": 6}, "user-knn": {"neighbours": 6}, "slim": {"neighbours": 6}, "spectral": {}}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = shop(tmp_path_factory.mktemp("shop"))
    for encoder, given in ENCODERS.items():
        settings = FinetuneSettings(encoder=encoder, encoder_settings=given, name=encoder, device="cpu", threads=1)
        finetune(workspace, settings, Control())
    return workspace


def opened(workspace: Workspace, run: str) -> Served:
    return open_run(workspace, run, PARTS, Control(), device="cpu")


def full(vectors: np.ndarray | MixedVectors) -> np.ndarray:
    if not isinstance(vectors, MixedVectors):
        return vectors.astype(np.float64)
    return np.concatenate([vectors.dense_ND, vectors.sparse_NS.toarray()], axis=1).astype(np.float64)


@pytest.mark.parametrize("run", ["item-knn", "user-knn", "slim"])
def test_what_is_stored_is_what_the_weights_make(workspace: Workspace, run: str) -> None:
    version = workspace.current("finetune", run)
    assert version.read("item_vectors").columns == ["item", "index", "weight"]
    columns = version.manifest.facts["sparse_columns"]
    prepared = Prepared(workspace.current("prepare"))
    fitted = load_encoder(version, prepared)
    stored = read_vectors(version, "item_vectors", sparse_columns=columns)
    np.testing.assert_array_equal(full(stored), full(fitted.item_vectors()))
    users = read_vectors(version, "user_vectors", sparse_columns=columns)
    np.testing.assert_allclose(full(users), full(fitted.user_vectors(prepared.histories("train"))), rtol=1e-6)
    with pytest.raises(DamagedArtifactError, match=r"item_vectors.parquet has an index outside 0 to 0"):
        read_vectors(version, "item_vectors", sparse_columns=1)


@pytest.mark.parametrize("run", ["item-knn", "user-knn", "slim"])
def test_evaluate_and_recommend(workspace: Workspace, run: str) -> None:
    measured = evaluate(workspace, EvaluateSettings(runs=(run,), ks=(5,), device="cpu", resamples=0), Control())
    value = measured.version.read("metrics").filter(pl.col("metric") == "ndcg", pl.col("slice") == "all")["value"]
    assert value.max() > 0.3  # by chance .15
    options = {"run": (run,), "k": 3, "device": "cpu", "explain": True}
    frame = recommend(workspace, RecommendSettings(**options), Control()).version.read("recommendations")
    served = opened(workspace, run)
    score_UI = full(served.user_UD) @ full(served.item_ID).T
    ids = served.prepared.items["item_id"].to_list()
    first = frame.filter(pl.col("user_id") == "u0", pl.col("rank") == 1)
    code = served.prepared.users["user_id"].to_list().index("u0")
    assert first["score"][0] == pytest.approx(score_UI[code, ids.index(first["item_id"][0])], rel=1e-5)
    assert first["reason"][0].startswith("because of ")
    settings = RecommendSettings(**options, history=("i0", "i2", "i4"))
    mine = recommend(workspace, settings, Control()).version.read("recommendations")
    assert all(int(item[1:]) % 2 == 0 for item in mine["item_id"])  # the same taste


def test_scores_in_an_ensemble_are_z_scores(workspace: Workspace) -> None:
    served = [opened(workspace, run) for run in ("item-knn", "user-knn", "spectral")]
    served[0].__dict__["reachable_I"] = np.arange(16) % 5 > 0
    whole = ensemble_of(served, (2.0, 1.0, 1.0))
    total_UI = np.zeros((24, 16))
    for run, weight in zip(served, (0.5, 0.25, 0.25), strict=True):
        score_UI = full(run.user_UD) @ full(run.item_ID).T
        known_UI = score_UI[:, run.reachable_I]
        z_UI = (score_UI - known_UI.mean(1, keepdims=True)) / known_UI.std(1, keepdims=True)
        total_UI += weight * np.where(run.reachable_I, z_UI, 0.0)
    np.testing.assert_allclose(full(whole.user_UD) @ full(whole.item_ID).T, total_UI, atol=2e-5)
    settings = RecommendSettings(run=("item-knn", "spectral"), history=("i0", "i2"), k=4, device="cpu")
    assert recommend(workspace, settings, Control()).version.read("recommendations").height == 4


def test_a_refit_and_what_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    given = {"encoder": "item-knn", "encoder_settings": {"neighbours": 6}, "device": "cpu", "threads": 1}
    refitted = finetune(workspace, FinetuneSettings(**given, name="all", refit=True), Control()).version
    assert refitted.manifest.facts["parts"] == ["train", "valid", "test"]
    with pytest.raises(ConfigError, match="teacher 'item-knn' scores by sparse vectors"):
        finetune(workspace, FinetuneSettings(encoder="mf", teacher=("item-knn",), epochs=1, device="cpu"), Control())
