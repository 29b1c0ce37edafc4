"""Runs whose vectors collapse and runs whose vectors do not, and what the commands say of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prepared_world import prepare

from reccli.api import Histories
from reccli.artifacts import read_vectors
from reccli.cli import main as entry
from reccli.cli import signals
from reccli.errors import DivergedError
from reccli.settings import EvaluateSettings, FinetuneSettings
from reccli.stages.common import Control
from reccli.stages.evaluate import evaluate
from reccli.stages.finetune import finetune
from reccli.stages.finetune_parts import limits_of
from reccli.testing import checkerboard
from reccli.testing.worlds import World
from reccli.workspace import Workspace

ALIGNED: dict[str, Any] = {"loss": "directau", "loss_settings": {"gamma": 0.0}, "similarity": "cosine"}
SPREAD: dict[str, Any] = {"loss": "directau", "loss_settings": {"gamma": 0.3}, "similarity": "cosine"}
NUMBERS = {"uniformity", "effective_rank", "mean_cosine", "dead"}


def settings(**values: Any) -> FinetuneSettings:
    return FinetuneSettings(**{"batch_size": 64, "learning_rate": 0.03, "device": "cpu", "threads": 1, **values})


def mixed_world(task: str = "ranking") -> World:
    """Return two tastes with random links between them: where nothing pushes apart, they fall together."""
    world, rng = checkerboard(users=60, items=40, task=task, texts=False), np.random.default_rng(0)
    train = world.data.train
    if task != "ranking":
        return world
    count = len(train) // 5
    user_E, item_E = (
        np.r_[train.user_E, rng.integers(60, size=count)],
        np.r_[train.item_E, rng.integers(40, size=count)],
    )
    linked = Histories.from_arrays(user_E, item_E, n_users=60, n_items=40)
    return replace(world, data=replace(world.data, train=linked))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "workspace")
    prepare(workspace, mixed_world())
    return workspace


def run_of(workspace: Workspace, **values: Any) -> Any:
    values = {"encoder_settings": {"dim": 16, "start": "random"}, "epochs": 20, "patience": 0, **values}
    return finetune(workspace, settings(**values), Control())


@pytest.mark.parametrize("encoder", ["mf", "history", "lightgcn"])
def test_alignment_alone_collapses_and_is_stopped(workspace: Workspace, encoder: str) -> None:
    with pytest.raises(
        DivergedError, match=r"^the vectors of (users|items) have collapsed: mean cosine (0\.9|1\.0)"
    ) as stop:
        run_of(workspace, encoder=encoder, **ALIGNED)
    assert stop.value.exit_code == 7
    assert "\n" not in stop.value.message
    assert not (workspace.path / "finetune").exists(), "a collapsed run is not committed"
    kept = run_of(workspace, encoder=encoder, collapse="keep", **ALIGNED)
    facts = kept.data
    assert facts["stopped"] == "collapse"
    assert facts["best_epoch"] < facts["epochs"] < 20
    assert facts["best_value"] > 0.9
    log = kept.version.read("training_log")
    value = dict(log.filter(log["metric"] == "ndcg@10").select("epoch", "value").iter_rows())
    assert value[facts["epochs"]] < value[facts["best_epoch"]] == facts["best_value"]
    unit = read_vectors(kept.version, "item_vectors")
    cosine = (np.square(unit.sum(0)).sum() - 40) / (40 * 39)
    assert cosine < 0.98, "stored are the weights before the collapse"


@pytest.mark.parametrize("encoder", ["mf", "history", "lightgcn"])
@pytest.mark.parametrize("given", [SPREAD, {"loss": "softmax"}, {"loss": "bpr", "similarity": "dot"}])
def test_what_spreads_vectors_does_not_collapse(workspace: Workspace, encoder: str, given: dict[str, Any]) -> None:
    result = run_of(workspace, encoder=encoder, **given)
    assert result.data["stopped"] == "epochs"
    log = result.version.read("training_log")
    names = {f"health.{kind}.{name}" for kind in ("users", "items") for name in NUMBERS} | {"health.alignment"}
    health = log.filter(log["metric"].str.starts_with("health."))
    assert set(health["metric"]) == names
    assert set(health["epoch"]) == set(range(21))
    best = health.filter(health["epoch"] == result.data["best_epoch"])
    told = {name.removeprefix("health."): value for name, value in best.select("metric", "value").iter_rows()}
    assert result.data["health"] == told


@pytest.mark.parametrize(
    ("encoder", "measured"), [("popularity", False), ("item-knn", False), ("spectral", True), ("ease", True)]
)
def test_closed_forms_are_measured_where_vectors_are_dense_and_never_stopped(
    workspace: Workspace, encoder: str, measured: bool
) -> None:
    tight = {"collapse_cosine": 1e-9, "collapse_rank": 100.0}
    facts = finetune(workspace, settings(encoder=encoder, encoder_settings={}, **tight), Control()).data
    assert bool(facts["health"]) == measured
    assert facts["stopped"] == "closed form"


def test_biases_of_ratings_are_no_part_of_the_vectors(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "ratings")
    prepare(workspace, mixed_world("rating"))
    result = run_of(workspace, encoder="mf", epochs=3, similarity="euclidean")
    item = read_vectors(result.version, "item_vectors")[:, :16].astype(np.float64)
    share = np.linalg.svd(item / np.linalg.norm(item, axis=1, keepdims=True), compute_uv=False)
    share = share / share.sum()
    rank = float(np.exp(-(share * np.log(share)).sum()))
    assert result.data["health"]["items.effective_rank"] == pytest.approx(rank, rel=1e-3)
    assert "alignment" not in result.data["health"], "a rated pair need not be a positive one"


def test_limits_come_from_settings() -> None:
    given = settings(encoder="mf", collapse_cosine=0.7, collapse_rank=3.0, collapse="keep")
    assert [getattr(limits_of(given), name) for name in ("cosine", "rank", "keep")] == [0.7, 3.0, True]
    far = limits_of(given.model_copy(update={"similarity": "euclidean"}))
    assert [far.cosine, far.rank, far.keep] == [1.0, 0.0, True], "directions say little of distances"


def test_evaluate_and_status_tell(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "install", lambda: None)
    run_of(workspace, encoder="mf", name="one", epochs=2)
    finetune(workspace, settings(encoder="popularity", name="two"), Control())
    result = evaluate(workspace, EvaluateSettings(runs=("one", "two"), split="valid", device="cpu"), Control())
    (line,) = [line for line in result.lines if "vectors of" in line]
    assert line.startswith("one: vectors of users rank ")
    assert list(result.data["health"]) == ["one"]
    for flags in ([], ["--health"]):
        with pytest.raises(SystemExit) as stop:
            entry.main(["status", "-w", str(workspace.path), *flags])
        assert not stop.value.code
        shown = [text.strip() for text in capsys.readouterr().out.splitlines() if "vectors of" in text]
        assert shown == ([line.removeprefix("one: ")] if flags else [])
    with pytest.raises(SystemExit):
        entry.main(["status", "-w", str(workspace.path), "--json"])
    rows = {row["run"]: row for row in json.loads(capsys.readouterr().out)["runs"]}
    assert rows["finetune/one"]["health"] == result.data["health"]["one"]
    assert rows["finetune/two"]["health"] == {}


def test_the_command_line_ends_with_one_line_and_code_7(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "install", lambda: None)
    flags = ["--encoder", "lightgcn", "--loss", "directau", "--set", "loss.gamma=0", "--set", "encoder.dim=16"]
    flags += ["--set", "encoder.start='random'", "--batch-size", "64", "--learning-rate", "0.03", "--device", "cpu"]
    command = ["finetune", "-w", str(workspace.path), "-q", "--threads", "1", *flags]
    with pytest.raises(SystemExit) as stop:
        entry.main(command)
    assert stop.value.code == 7
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: the vectors of users have collapsed: mean cosine 0.98")
    assert error.endswith(" (limit 0.98) in epoch 2, learning rate 0.03; the weights of epoch 1 are kept")
    assert hint == (
        "hint: lower the rate: --learning-rate 0.003, spread vectors: --loss infonce+directau:0.5, "
        "or finish with epoch 1: the same command with --collapse keep"
    )
    with pytest.raises(SystemExit) as stop:
        entry.main([*command, "--collapse", "keep"])
    assert not stop.value.code
    assert "best epoch 1 of 2" in capsys.readouterr().out
