"""The finetune stage from prepared data to a committed run, and a run opened again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prepared_world import prepare

from reccli import registry
from reccli.api import Histories
from reccli.artifacts import Prepared, read_vectors
from reccli.errors import ConfigError, DamagedArtifactError, DeviceError, Interrupted, MissingArtifactError
from reccli.settings import FinetuneSettings
from reccli.stages.common import Control
from reccli.stages.finetune import finetune
from reccli.testing import checkerboard, held_out_first
from reccli.testing.worlds import World
from reccli.training.restore import load_encoder
from reccli.workspace import Workspace

SMALL: dict[str, Any] = {"dim": 8, "start": "random"}


@pytest.fixture
def world() -> World:
    return checkerboard(users=24, items=16, texts=False)


@pytest.fixture
def workspace(tmp_path: Path, world: World) -> Workspace:
    workspace = Workspace(tmp_path / "workspace")
    prepare(workspace, world)
    return workspace


def settings(**values: Any) -> FinetuneSettings:
    values = {"epochs": 15, "batch_size": 64, "learning_rate": 0.03, "device": "cpu", "threads": 1, **values}
    if values.get("encoder") not in ("popularity", "spectral"):
        values.setdefault("encoder_settings", SMALL)
    return FinetuneSettings(**values)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"encoder": "popularity", "similarity": "cosine"}, "'popularity', as it is set, take dot alone"),
        ({"encoder": "slim", "similarity": "cosine"}, "'slim', as it is set, take dot alone"),
        ({"encoder": "mf", "compile": True}, "has nothing to compile"),
        ({"encoder": "mf", "loss": "bpr", "sampler": "category"}, "no attribute of items has a usual name"),
        ({"encoder": "mf", "loss": "directau", "teacher": ("first",)}, "'directau' ranks no items against each other"),
    ],
)
def test_what_is_refused_costs_no_setup(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], told: str
) -> None:
    if "teacher" in given:
        finetune(workspace, settings(encoder="mf", epochs=1, name="first"), Control())

    def setup(*arguments: Any) -> None:
        raise AssertionError("it was set up")

    name = {**given}.pop("encoder")
    monkeypatch.setattr(registry.load("encoder", name), "setup", setup)
    with pytest.raises(ConfigError, match=told):
        finetune(workspace, FinetuneSettings(device="cpu", threads=1, **given), Control())


@pytest.mark.parametrize("encoder", ["history", "lightgcn", "mf", "spectral", "popularity"])
def test_a_run_is_whole_and_opens_again_to_the_same_vectors(workspace: Workspace, world: World, encoder: str) -> None:
    given = {"encoder_settings": {"rank": 2, "exponent": 0.5}} if encoder == "spectral" else {}
    result = finetune(workspace, settings(encoder=encoder, **given), Control())
    assert result.status == "done"
    version, facts = result.version, dict(result.data)
    assert version is not None
    user, item = read_vectors(version, "user_vectors"), read_vectors(version, "item_vectors")
    if encoder != "popularity":
        assert held_out_first(user, item, world) >= 0.9
        assert facts["best_value"] > 0.9
    fitted = load_encoder(version, Prepared(workspace.current("prepare")))
    np.testing.assert_array_equal(fitted.item_vectors(), item)
    np.testing.assert_array_equal(fitted.user_vectors(world.data.train), user)
    assert facts["task"] == "ranking"
    assert facts["warm_items"] == 16
    assert facts["cold_items"] == 0
    log = version.read("training_log")
    assert "ndcg@10" in log["metric"].to_list()
    assert not list((workspace.path / "logs").rglob("step-*")), "a finished run leaves no checkpoint"


def test_the_default_name_and_being_up_to_date(workspace: Workspace) -> None:
    first = finetune(workspace, settings(encoder="mf", loss="bpr"), Control())
    again = finetune(workspace, settings(encoder="mf", loss="bpr", name="mf-bpr"), Control())
    assert first.version is not None
    assert first.version.name == "mf-bpr"
    assert again.status == "up to date"
    other = finetune(workspace, settings(encoder="mf", loss="bpr", seed=7), Control())
    assert other.status == "done"
    assert "settings changed: seed" in other.why


@pytest.fixture
def longer_mf() -> Iterator[Callable[[], None]]:
    """Change a default of `mf`, as another version of the code might."""
    from reccli.encoders.mf import MF

    field = MF.Settings.model_fields["dim"]
    was = field.default

    def change(value: int = 12) -> None:
        field.default = value
        MF.Settings.model_rebuild(force=True)

    yield change
    change(was)


def test_a_default_that_changed_makes_a_run_old_and_leaves_it_as_it_was(
    workspace: Workspace, longer_mf: Callable[[], None]
) -> None:
    given = settings(encoder="mf", epochs=1, encoder_settings={"start": "random"})
    first = finetune(workspace, given, Control()).version
    assert first is not None
    assert finetune(workspace, given, Control()).status == "up to date"
    longer_mf()
    fitted = load_encoder(first, Prepared(workspace.current("prepare")))
    np.testing.assert_array_equal(fitted.item_vectors(), read_vectors(first, "item_vectors"))
    again = finetune(workspace, given, Control())
    assert (again.status, again.why) == ("done", ("settings changed: encoder_settings",))
    assert again.version is not None
    assert read_vectors(again.version, "item_vectors").shape == (16, 12)


def test_a_run_whose_encoder_lost_a_setting_is_no_longer_opened(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = finetune(workspace, settings(encoder="mf", epochs=1), Control()).version
    assert version is not None
    monkeypatch.setitem(version.manifest.settings, "encoder_settings", {"dim": 8, "depth": 3})
    with pytest.raises(DamagedArtifactError, match="settings that its encoder no longer takes: no setting of encoder"):
        load_encoder(version, Prepared(workspace.current("prepare")))


def test_defaults_are_said(workspace: Workspace) -> None:
    said: list[str] = []
    finetune(workspace, settings(encoder="history"), Control(say=said.append))
    assert "loss softmax" in said[0]
    assert "loss.temperature 0.1" in said[1]
    assert "epochs" not in said[1], "what was given is no default"


def test_new_users_are_served_by_their_history(workspace: Workspace, world: World) -> None:
    version = finetune(workspace, settings(encoder="history"), Control()).version
    assert version is not None
    fitted = load_encoder(version, Prepared(workspace.current("prepare")))
    new = Histories.from_arrays([0, 0, 1], [0, 2, 1], n_users=3, n_items=16)
    score = fitted.user_vectors(new) @ fitted.item_vectors().T
    taste = [score[0, 4::2].mean() - score[0, 3::2].mean(), score[1, 3::2].mean() - score[1, 4::2].mean()]
    assert min(taste) > 0.1
    assert np.isfinite(score[2]).all()


@pytest.mark.parametrize(("task", "metric"), [("rating", "rmse"), ("ctr", "log-loss")])
@pytest.mark.parametrize("encoder", ["history", "mf"])
def test_values_are_predicted(tmp_path: Path, task: str, metric: str, encoder: str) -> None:
    world = checkerboard(users=24, items=16, task=task, texts=False)
    workspace = Workspace(tmp_path / "workspace")
    prepare(workspace, world)
    result = finetune(workspace, settings(encoder=encoder, epochs=40, patience=10), Control())
    facts = result.data
    assert (facts["task"], facts["metric"]) == (task, metric)
    assert facts["best_value"] < {"rmse": 1.0, "log-loss": 0.5}[metric]
    assert facts["best_value"] < facts["first_value"]
    if task == "rating":
        assert tuple(facts["value_range"]) == (1.0, 5.0)
    assert result.version is not None
    fitted = load_encoder(result.version, Prepared(workspace.current("prepare")))
    np.testing.assert_allclose(
        fitted.user_vectors(world.data.train), read_vectors(result.version, "user_vectors"), rtol=1e-5, atol=1e-6
    )


def test_clicks_can_be_ranked(tmp_path: Path) -> None:
    world = checkerboard(users=24, items=16, task="ctr", texts=False)
    workspace = Workspace(tmp_path / "workspace")
    prepare(workspace, world)
    result = finetune(workspace, settings(encoder="history", loss="infonce"), Control())
    assert result.data["task"] == "ranking"
    assert result.data["best_value"] > 0.9


def test_refit_makes_the_choosing_run_first_and_uses_its_epochs(workspace: Workspace) -> None:
    refit = finetune(workspace, settings(encoder="mf", refit=True), Control())
    chosen = workspace.current("finetune", "mf-softmax").manifest.facts
    assert refit.version is not None
    assert refit.version.name == "mf-softmax-refit"
    assert refit.data["refit"] is True
    assert refit.data["epochs"] == chosen["best_epoch"]
    assert (
        refit.version.manifest.counts["interactions"]
        > workspace.current("finetune", "mf-softmax").manifest.counts["interactions"]
    )
    assert finetune(workspace, settings(encoder="mf", refit=True), Control()).status == "up to date"


@pytest.mark.fault(87)
def test_f087_stopped_and_run_again_equals_one_run(tmp_path: Path, world: World) -> None:
    class Stop:
        left = 9

        def __call__(self) -> int | None:
            self.left -= 1
            return 2 if self.left < 0 else None

    vectors = []
    for name, stop in (("whole", None), ("parts", Stop())):
        workspace = Workspace(tmp_path / name)
        prepare(workspace, world)
        if stop is not None:
            with pytest.raises(Interrupted) as stopped:
                finetune(workspace, settings(encoder="history", patience=0), Control(stop=stop))
            assert stopped.value.exit_code == 130
            assert not (workspace.path / "finetune").exists()
        version = finetune(workspace, settings(encoder="history", patience=0), Control()).version
        assert version is not None
        vectors.append((read_vectors(version, "user_vectors"), read_vectors(version, "item_vectors")))
    np.testing.assert_array_equal(vectors[0][0], vectors[1][0])
    np.testing.assert_array_equal(vectors[0][1], vectors[1][1])


def test_restart_drops_the_checkpoint(workspace: Workspace) -> None:
    questions = iter([None] * 5 + [2])
    with pytest.raises(Interrupted):
        finetune(workspace, settings(encoder="mf"), Control(stop=lambda: next(questions)))
    said: list[str] = []
    finetune(workspace, settings(encoder="mf"), Control(restart=True, say=said.append))
    assert not any("resuming" in line for line in said)


def test_dry_run_plans(workspace: Workspace) -> None:
    result = finetune(workspace, settings(encoder="mf"), Control(dry_run=True))
    assert (result.status, result.version, result.why) == ("planned", None, ("first run",))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"encoder": "spectral", "loss": "bpr"}, "solved in closed form"),
        ({"encoder": "mf", "loss": "mse"}, "needs ratings, which the data has not; losses that fit: bce, bpr"),
        ({"encoder": "mf", "loss": "softmax", "sampler": "uniform"}, "would draw for nothing"),
        ({"encoder": "mf", "metric": "rmse"}, "does not fit the task ranking"),
        ({"encoder": "mf", "metric": "ndcg"}, "needs a list length"),
        ({"encoder": "mf", "encoder_path": "x"}, "reads no text model"),
        ({"encoder": "mf", "encoder_settings": {"dims": 3}}, "did you mean 'dim'"),
        ({"encoder": "mff"}, "did you mean 'mf'"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(
    workspace: Workspace, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        finetune(workspace, FinetuneSettings(**values), Control())
    assert not (workspace.path / "finetune").exists()


def test_without_prepared_data_or_device(tmp_path: Path, workspace: Workspace) -> None:
    with pytest.raises(MissingArtifactError) as missing:
        finetune(Workspace(tmp_path / "empty"), settings(encoder="mf"), Control())
    assert missing.value.exit_code == 4
    with pytest.raises(DeviceError):
        finetune(workspace, settings(encoder="mf", device="cuda:7"), Control())


@pytest.mark.parametrize(("task", "metric"), [("rating,ranking:0.2", "rmse"), ("ranking,rating:0.2", "ndcg@10")])
def test_several_tasks_at_once(tmp_path: Path, task: str, metric: str) -> None:
    world = checkerboard(users=24, items=16, task="rating", texts=False)
    workspace = Workspace(tmp_path / "workspace")
    prepare(workspace, world)
    said: list[str] = []
    result = finetune(workspace, settings(encoder="history", task=task, epochs=3), Control(say=said.append))
    facts = result.data
    first, other = task.split(",")[0], task.split(",")[1].split(":")[0]
    assert (facts["task"], facts["side_tasks"], facts["metric"]) == (first, {other: 0.2}, metric)
    loss = {"rating": "mse", "ranking": "softmax"}[other]
    assert said[0].endswith(f"task {first}, beside it the task {other} by {loss} 0.2")
    assert result.version is not None
    assert result.version.name == {"rating": "history-mse-softmax", "ranking": "history-softmax-mse"}[first]
    fitted = load_encoder(result.version, Prepared(workspace.current("prepare")))
    np.testing.assert_array_equal(fitted.item_vectors(), read_vectors(result.version, "item_vectors"))


def test_a_task_that_the_data_cannot_have(workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match="task rating: the values of the interactions are all the same"):
        finetune(workspace, settings(encoder="mf", task="rating"), Control())


@pytest.mark.parametrize("method", ["none", "temperature", "isotonic"])
def test_clicks_are_calibrated_on_the_validation_part(tmp_path: Path, method: str) -> None:
    from reccli.evaluation.calibration import Calibration, fit_calibration

    world = checkerboard(users=24, items=16, task="ctr", texts=False)
    valid = (
        np.arange(len(world.held_value_H)) % 3 == 0
    )  # the held-out pairs are clicks: turn some, so that there are both
    world = replace(world, held_value_H=np.where(valid, 0, world.held_value_H).astype(np.float32))
    workspace = Workspace(tmp_path / "workspace")
    prepared = prepare(workspace, world)
    said: list[str] = []
    result = finetune(workspace, settings(encoder="mf", epochs=3, calibration=method), Control(say=said.append))
    facts = result.data["calibration"]
    assert facts["method"] == method
    assert any(line.startswith(f"clicks calibrated by {method}: calibration error") for line in said) == (
        method != "none"
    )
    assert result.version is not None
    user, item = read_vectors(result.version, "user_vectors"), read_vectors(result.version, "item_vectors")
    held = prepared.histories("valid")
    score = (user[held.user_E] * item[held.item_E]).sum(1).astype(np.float64)
    expected = fit_calibration(method, score, held.value_E.astype(np.float64)).probabilities(score)
    np.testing.assert_allclose(Calibration.from_facts(facts).probabilities(score), expected, atol=1e-3)
    refit = finetune(workspace, settings(encoder="mf", epochs=3, calibration=method, refit=True), Control())
    assert refit.data["calibration"] == facts  # a refit has no validation part of its own
