"""The tune stage: the best trial becomes a run that its command repeats, and whatever happens is told."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("optuna")

from shop import shop

from reccli.artifacts import Prepared
from reccli.errors import (
    ConfigError,
    DataError,
    DivergedError,
    Interrupted,
    MissingArtifactError,
    MissingExtraError,
    ReccliError,
)
from reccli.settings import FinetuneSettings, TuneSettings
from reccli.stages import tune as stage
from reccli.stages import tune_trial
from reccli.stages.common import Control
from reccli.stages.finetune import finetune
from reccli.stages.tune import tune
from reccli.workspace import Version, Workspace

torch.set_num_threads(1)
PARAMS = ("loss.temperature=0.05..2:log", "encoder.dim=2,4")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop(tmp_path_factory.mktemp("shop")).path


@pytest.fixture
def workspace(prepared: Path, tmp_path: Path) -> Workspace:
    return Workspace(shutil.copytree(prepared, tmp_path / "workspace"))


def base(**values: Any) -> FinetuneSettings:
    given = {"encoder": "mf", "loss": "softmax", "epochs": 3, "device": "cpu", "threads": 1, "batch_size": 64}
    given["encoder_settings"] = {"start": "random"}
    return FinetuneSettings(**{**given, **values})


def search(workspace: Workspace, control: Control | None = None, **values: Any) -> Any:
    base_values = values.pop("base", {})
    settings = TuneSettings(**{"trials": 4, "params": PARAMS, **values})
    return tune(workspace, base(**base_values), settings, control or Control())


def test_the_best_trial_is_a_run_that_its_command_repeats(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    result = search(workspace, Control(say=said.append))
    assert result.status == "done"
    assert said[0] == "tune mf-softmax-tuned: up to 4 trials by ndcg@10 on validation"
    assert said[1:3] == ["  loss.temperature  0.05 to 2, log", "  encoder.dim       2, 4"]
    assert sum(line.startswith("trial ") for line in said) == 4
    trials = result.version.read("trials")
    assert trials["number"].to_list() == [0, 1, 2, 3]
    whole = trials.filter(trials["state"] == "complete")
    best = whole.sort("value", "number", descending=[True, False]).row(0, named=True)
    assert result.data["best"]["trial"] == best["number"]
    assert result.data["best"]["value"] == best["value"]
    assert result.data["best"]["settings"] == {name: best[name] for name in ("loss.temperature", "encoder.dim")}
    run = workspace.current("finetune", "mf-softmax-tuned")
    assert run.manifest.facts["best_value"] == best["value"]
    assert run.manifest.facts["tuned"] == {"trial": best["number"]}
    assert result.next == "reccli evaluate --run mf-softmax-tuned"
    assert result.lines[2] == f"repeat: {result.data['command']}"

    from reccli.cli import main as entry
    from reccli.cli import signals

    monkeypatch.setattr(signals, "install", lambda: None)
    for more, expected in ([], "is up to date"), (["--force"], "best epoch"):
        with pytest.raises(SystemExit) as stop:
            entry.main([*shlex.split(result.data["command"])[1:], *more])
        assert stop.value.code == 0
        assert expected in capsys.readouterr().out
    assert workspace.current("finetune", "mf-softmax-tuned").manifest.content == run.manifest.content


def test_run_again_it_is_up_to_date_and_more_trials_go_on(workspace: Workspace) -> None:
    first = search(workspace)
    again = search(workspace)
    assert again.status == "up to date"
    assert again.version == first.version
    more = search(workspace, trials=6)
    assert more.status == "done"
    trials = more.version.read("trials")
    assert trials.head(4).drop("seconds").equals(first.version.read("trials").drop("seconds"))
    assert trials.height == 6
    anew = search(workspace, Control(restart=True), trials=6)
    assert anew.version.read("trials").drop("seconds", "started").equals(trials.drop("seconds", "started"))
    assert anew.version.read("trials")["started"][0] > trials["started"][0]
    other = search(workspace, pruner="none")
    assert other.version.fingerprint != more.version.fingerprint


def test_only_train_and_validation_are_looked_at(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    real = Prepared.histories

    def histories(self: Prepared, *parts: str) -> Any:
        asked.update(parts or self.parts)
        return real(self, *parts)

    monkeypatch.setattr(Prepared, "histories", histories)
    search(workspace)
    assert asked == {"train", "valid"}


def test_the_first_trial_is_what_finetune_does_by_itself(workspace: Workspace) -> None:
    result = search(workspace, trials=1, params=())
    alone = finetune(workspace, base(), Control()).version
    trial = result.version.read("trials").row(0, named=True)
    assert trial["value"] == alone.manifest.facts["best_value"]
    assert trial["encoder.dim"] == 128
    assert trial["learning_rate"] == alone.manifest.settings["learning_rate"]
    tuned = workspace.current("finetune", "mf-softmax-tuned")
    assert tuned.manifest.content == alone.manifest.content


def test_a_closed_form_is_searched_too(workspace: Workspace) -> None:
    settings = FinetuneSettings(encoder="ease", encoder_settings={"rank": 4}, device="cpu", threads=1)
    result = tune(workspace, settings, TuneSettings(trials=3, name="closed"), Control())
    trials = result.version.read("trials")
    assert trials["encoder.l2"][0] == "auto"
    assert set(trials["state"]) == {"complete"}
    assert workspace.current("finetune", "closed").manifest.settings["encoder_settings"]["rank"] == 4
    assert "--set encoder.rank=4" in result.data["command"]


@pytest.mark.parametrize("encoder", ["ease", "slim", "item-knn", "spectral"])
def test_what_the_data_lacks_costs_no_trial(tmp_path: Path, encoder: str) -> None:
    plain = shop(tmp_path, split="random", with_items=False)
    settings = FinetuneSettings(encoder=encoder, device="cpu", threads=1)
    result = tune(plain, settings, TuneSettings(trials=6), Control())
    assert set(result.version.read("trials")["state"]) == {"complete"}
    assert not {"encoder.words", "encoder.recency"} & {*result.version.read("trials").columns}
    asked = TuneSettings(trials=6, params=("encoder.recency=0,0.5",), name="asked")
    with pytest.raises(ConfigError, match=r"encoder\.recency=0\.5 needs an order") as refused:
        tune(plain, settings, asked, Control())
    assert refused.value.hint == "leave it out, or: reccli prepare RATINGS --split temporal"
    assert plain.runs("tune") == [f"{encoder}-tuned"]


def test_names_with_dashes_are_searched(workspace: Workspace) -> None:
    loss = {"loss": "nt-xent+directau:0.5", "encoder_settings": {"start": "random", "dim": 2}, "learning_rate": 0.01}
    trials = search(workspace, params=(), base=loss, trials=2).version.read("trials")
    assert {"loss.nt_xent.temperature", "loss.directau.gamma"} < {*trials.columns}
    assert trials["value"].n_unique() == 2


def test_epochs_are_searched_beside_those_that_were_made(workspace: Workspace) -> None:
    result = search(workspace, params=("epochs=1..4",), base={"epochs": None}, trials=3, pruner="none")
    trials = result.version.read("trials")
    assert trials["param.epochs"].to_list() == trials["epochs"].to_list()
    assert result.data["best"]["settings"].keys() == {"epochs"}
    assert " --epochs " in result.data["command"]


def test_a_name_that_is_none_is_refused_before_any_trial(workspace: Workspace) -> None:
    said: list[str] = []
    for dry in (False, True):
        with pytest.raises(ConfigError, match="run name 'a b' is not letters, digits, dot, dash and underscore"):
            search(workspace, Control(say=said.append, dry_run=dry), name="a b")
    assert not said
    assert not (workspace.path / "logs" / "tune").exists()


def test_trials_that_were_lost_are_not_counted_twice(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = tune_trial.build_run, []

    def build_run(*arguments: Any) -> None:
        if not lost:
            lost.append(True)
            raise Interrupted(2)
        real(*arguments)

    class Seen:
        def update(self, done: float, **_: Any) -> None:
            seen.append(done)

    @contextmanager
    def task(label: str, total: float, unit: str = "") -> Iterator[Seen]:
        yield Seen()

    lost: list[bool] = []
    monkeypatch.setattr(tune_trial, "build_run", build_run)
    with pytest.raises(Interrupted):
        search(workspace)
    result = search(workspace, Control(task=task))
    assert result.data["trials"]["lost"] == 1
    assert seen[:4] == [1, 2, 3, 4]


def test_the_workspace_is_free_while_a_trial_trains(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    real, free = tune_trial.build_run, []

    def build_run(*arguments: Any) -> None:
        with workspace.writing():
            free.append(True)
        real(*arguments)

    monkeypatch.setattr(tune_trial, "build_run", build_run)
    search(workspace)
    assert free == [True] * 4


def test_a_busy_workspace_puts_off_storing_the_run(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune_trial, "COMMIT_PATIENCE", 0.0)
    real = tune_trial.run_stage

    def run_stage(*arguments: Any, **rest: Any) -> Any:
        with Workspace(workspace.path).writing():
            return real(*arguments, **rest)

    monkeypatch.setattr(tune_trial, "run_stage", run_stage)
    warned: list[str] = []
    said: list[str] = []
    result = search(workspace, Control(warn=warned.append, say=said.append))
    assert warned[0].startswith("trial 0 is not stored yet: workspace ")
    assert any(line.endswith("is made again, to be stored") for line in said)
    run = workspace.current("finetune", "mf-softmax-tuned")
    assert run.manifest.facts["best_value"] == result.data["best"]["value"]


@pytest.mark.fault(30)
def test_f030_a_workspace_that_stays_busy_does_not_hide_what_was_found(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune_trial, "COMMIT_PATIENCE", 0.0)
    warned: list[str] = []
    with Workspace(workspace.path).writing():
        result = search(workspace, Control(warn=warned.append))
    assert result.data["best"]["value"] > 0
    assert result.data["stored"] is False
    assert any(line.startswith("the table of trials is not stored: workspace ") for line in warned)
    assert any(line.startswith("the run of the best trial is not stored: workspace ") for line in warned)
    assert not workspace.runs("finetune")
    again = search(workspace)
    assert again.data["stored"] is True
    assert again.data["best"] == result.data["best"]


@pytest.mark.fault(109)
def test_f109_diverged_trials_are_recorded_and_the_search_goes_on(workspace: Workspace) -> None:
    result = search(
        workspace,
        params=("learning_rate=0.01,1e30", "batch_size=32,64"),
        base={"loss": "bpr", "optimizer": "sgd", "similarity": "dot", "batch_size": None},
        trials=6,
        pruner="none",
    )
    trials = result.version.read("trials")
    failed = trials.filter(trials["state"] == "failed")
    assert set(failed["learning_rate"]) == {1e30}
    assert " is " in failed["message"][0]
    assert result.data["best"]["settings"]["learning_rate"] == 0.01
    assert f"{failed.height} failed" in result.lines[0]
    assert not list((workspace.path / "logs").rglob("drafts/*/*"))


def test_trials_that_collapse_leave_no_checkpoints_but_those_of_others(workspace: Workspace) -> None:
    limits = {"collapse_cosine": 1e-9, "collapse_rank": 100.0}
    with pytest.raises(DivergedError, match="have collapsed"):  # the run of one trial's settings, made before
        finetune(workspace, base(**limits, name="mf-softmax-tuned", learning_rate=0.01), Control())
    saved = workspace.path / "logs" / "checkpoints"
    before = sorted(saved.rglob("step-*"))
    assert before
    with pytest.raises(ReccliError, match="all 2 trials failed, the last one: the vectors of"):
        search(workspace, params=("learning_rate=0.01,0.02",), trials=2, base=limits)
    assert sorted(saved.rglob("step-*")) == before


def test_where_all_trials_fail_the_last_one_is_told(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def build_run(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(tune_trial, "build_run", build_run)
    with pytest.raises(ReccliError, match="all 2 trials failed, the last one: out of memory") as failed:
        search(workspace, trials=2)
    assert failed.value.exit_code == 10
    assert not (workspace.path / "finetune").exists()


@pytest.mark.fault(87)
def test_f087_a_signal_ends_it_with_what_was_found(workspace: Workspace) -> None:
    def stop() -> Iterator[int | None]:
        while len(told) < 2:
            yield None
        while True:
            yield 2

    told: list[str] = []
    answers = stop()
    control = Control(stop=lambda: next(answers), say=lambda line: told.append(line) if "trial " in line[:6] else None)
    result = search(workspace, control)
    assert result.data["stopped"] == "signal"
    assert result.data["trials"]["complete"] == 2
    assert (
        workspace.current("finetune", "mf-softmax-tuned").manifest.facts["best_value"] == result.data["best"]["value"]
    )
    with pytest.raises(Interrupted) as nothing:
        search(workspace, Control(stop=lambda: 15), base={"epochs": 2})
    assert nothing.value.exit_code == 143
    assert nothing.value.hint == "run the same command again to go on with the search"
    whole = search(workspace)
    assert whole.data["trials"]["complete"] + whole.data["trials"].get("pruned", 0) == 4


def test_dry_run_plans(workspace: Workspace) -> None:
    result = search(workspace, Control(dry_run=True))
    assert (result.status, result.version) == ("planned", None)
    assert result.lines[0] == "a search of 4 trials by ndcg@10 on validation"
    assert result.lines[1:] == ("  loss.temperature  0.05 to 2, log", "  encoder.dim       2, 4")
    assert not (workspace.path / "logs").exists()


def test_without_optuna_the_extra_is_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "has_optuna", lambda: False)
    with pytest.raises(MissingExtraError, match="reccli tune needs the extra 'tune'") as missing:
        search(workspace)
    assert missing.value.exit_code == 14
    assert missing.value.hint == "pip install 'reccli[tune]'"


def test_what_cannot_be_searched_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="which a refit has none of"):
        search(workspace, base={"refit": True})
    with pytest.raises(ConfigError, match="tune searches around one recipe") as caught:
        search(workspace, base={"recipe": "auto"})
    assert caught.value.hint == "leave finetune.recipe out, and name one: --encoder NAME"
    with pytest.raises(MissingArtifactError):
        search(Workspace(tmp_path / "empty"))
    whole = shop(tmp_path / "whole", split="random", ratios=(0.8, 0.0, 0.2))
    with pytest.raises(DataError, match="no validation part to choose on"):
        search(whole)
    assert not (workspace.path / "logs" / "tune").exists()


def test_the_data_is_read_once_for_all_trials(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    tables: list[str] = []
    real = Version.read

    def read(self: Version, artifact: str, columns: list[str] | None = None) -> Any:
        tables.append(artifact)
        return real(self, artifact, columns)

    monkeypatch.setattr(Version, "read", read)
    search(workspace)
    assert (tables.count("interactions"), tables.count("items")) == (1, 1)
