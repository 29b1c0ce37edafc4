"""`reccli tune` on the command line: arguments to settings, exact refusals, and what a signal leaves on stdout."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shop import shop

from reccli.cli import main as entry
from reccli.cli import signals
from reccli.cli.finetune import FLAGS as FINETUNE_FLAGS
from reccli.cli.tune import FLAGS
from reccli.stages.tune_report import FLAGS as REPEATED

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signals, "install", lambda: None)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            entry.main(["tune", *arguments])
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace the stage by one that records what it is given."""
    from reccli.stages.common import StageResult

    found: dict[str, Any] = {}

    def tune(workspace: Any, base: Any, settings: Any, control: Any) -> StageResult:
        found.update(workspace=workspace, base=base, settings=settings)
        return StageResult("tune", "done", None, (), ("best of 3",), {"n": 1}, "reccli evaluate")

    module = types.ModuleType("reccli.stages.tune")
    module.tune = tune  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "reccli.stages.tune", module)
    return found


def test_arguments_become_settings(run: Run, seen: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "reccli.toml").write_text("[finetune]\nepochs = 7\n[tune]\ntrials = 5\npruner = 'none'\n")
    arguments = ["--encoder", "bert", "--train", "last-2", "--set", "loss.temperature=0.1", "--timeout", "60"]
    more = ["--param", "learning_rate=1e-4..1e-2:log", "--param", "encoder.dim=64,128", "--name", "x", "--trials", "9"]
    assert run(*arguments, *more) == (0, "best of 3\nnext: reccli evaluate\n", "")
    base, settings = seen["base"], seen["settings"]
    assert (base.encoder, base.epochs, base.name) == ("bert", 7, None)
    assert base.encoder_settings == {"train": "last-2"}
    assert base.loss_settings == {"temperature": 0.1}
    assert (settings.trials, settings.timeout, settings.pruner, settings.name) == (9, 60.0, "none", "x")
    assert settings.params == ("learning_rate=1e-4..1e-2:log", "encoder.dim=64,128")


def test_help_says_it_in_words(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = run("--help")
    assert code == 0
    words = " ".join(out.replace("│", " ").split())
    assert "Search for the settings of finetune that are best on validation, and store the best run." in words
    assert "Start the same command again, or in several shells at once, and the search goes on." in words
    assert "Example: reccli tune --encoder history --trials 30 --param loss.temperature=0.05..1:log" in words
    assert "--trials N Trials of the search, those of earlier and of other processes among them." in words
    assert "--timeout SECONDS Seconds after which this process begins no new trial." in words
    assert "--param NAME=SPACE What to search, as loss.temperature=0.05..1:log or encoder.dim=64,128 " in words
    assert "--pruner median|hyperband|none Which trials end early" in words
    assert "--refit" not in words


def test_flags_are_those_of_finetune_but_for_the_refit() -> None:
    fields = {flag.field for flag in FLAGS}
    assert fields == {flag.field for flag in FINETUNE_FLAGS} - {"name", "recipe", "refit", "as_of"}
    assert set(REPEATED) <= fields


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (
            ["--param", "loss.temperature=1..0.5"],
            "--param loss.temperature=1..0.5: the low end must be below the high end",
            "as in --param loss.temperature=0.05..1:log or --param encoder.dim=64,128,256",
        ),
        (
            ["--param", "loss.temperature=-1..1"],
            "loss.temperature=-1.0: input should be greater than 0",
            "reccli plugins show loss infonce",
        ),
        (
            ["--encoder", "lightgcn", "--aux", "simgcl", "--param", "aux.weight=0.1..1"],
            "--param aux.weight: a weight is that of one component, and has its name",
            "--param aux.simgcl.weight=0.01..1:log",
        ),
        (["--name", "a b"], "run name 'a b' is not letters, digits, dot, dash and underscore", None),
        (["--param", "seed=1,2"], "--param seed: it is not searched", "set it: --set seed=..."),
        (
            ["--encoder", "popularity"],
            "encoder 'popularity' declares nothing to search that is not set",
            "say what, as in --param loss.temperature=0.05..1:log or --param encoder.dim=64,128,256",
        ),
        (["--trials", "0"], "tune.trials='0' (flag): input should be greater than or equal to 1", "reccli tune --help"),
        (
            ["--pruner", "mean"],
            "tune.pruner='mean' (flag): input should be 'median', 'hyperband' or 'none'",
            "reccli tune --help",
        ),
    ],
)
def test_a_search_that_is_none_is_one_line_and_a_hint(
    run: Run, tmp_path: Path, arguments: list[str], error: str, hint: str | None
) -> None:
    pytest.importorskip("optuna")
    workspace = shop(tmp_path / "shop")
    given = ["-w", str(workspace.path), "--device", "cpu", "--threads", "1", *arguments]
    assert run(*given) == (2, "", f"error: {error}\n" + (f"hint: {hint}\n" if hint else ""))
    assert not (workspace.path / "finetune").exists()


def test_the_extra_missing_is_one_line_and_code_14(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from reccli.stages import tune

    monkeypatch.setattr(tune, "has_optuna", lambda: False)
    wanted = "error: reccli tune needs the extra 'tune', which is not installed\nhint: pip install 'reccli[tune]'\n"
    assert run() == (14, "", wanted)


@pytest.mark.parametrize(
    ("param", "error", "hint"),
    [
        (
            "encoder.words=8,32",
            "encoder.words=8.0 needs texts of items, which the data has not",
            "leave it out, or: reccli prepare RATINGS --items FILE",
        ),
        (
            "encoder.recency=0,0.5",
            "encoder.recency=0.5 needs an order, and a split that hides what came later",
            "leave it out, or: reccli prepare RATINGS --split temporal",
        ),
    ],
)
def test_what_the_data_lacks_is_one_line_and_a_hint(
    run: Run, tmp_path: Path, param: str, error: str, hint: str
) -> None:
    pytest.importorskip("optuna")
    workspace = shop(tmp_path / "shop", split="random", with_items=False)
    given = ["-w", str(workspace.path), "--encoder", "ease", "--device", "cpu", "--threads", "1", "--param", param]
    assert run(*given) == (2, "", f"error: {error}\nhint: {hint}\n")


@pytest.mark.fault(87)
def test_f087_what_was_found_is_on_stdout_when_ctrl_c_came(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("optuna")
    from reccli.stages import tune_study

    workspace = shop(tmp_path / "shop")
    told: list[int] = []
    monkeypatch.setattr(tune_study.failpoint, "hit", lambda name: told.append(1) if name == "tune.told" else None)
    monkeypatch.setattr(signals, "requested", lambda: 2 if len(told) >= 2 else None)
    arguments = ["--encoder", "mf", "--epochs", "2", "--device", "cpu", "--threads", "1", "--json"]
    code, out, err = run("-w", str(workspace.path), *arguments)
    assert code == 130
    body = json.loads(out)
    assert body["data"]["trials"] == {"complete": 2}
    assert body["data"]["stopped"] == "signal"
    assert json.loads(err)["error"]["message"] == "stopped by Ctrl-C; nothing is lost"
    assert json.loads(err)["error"]["hint"] == "run the same command again to go on"
