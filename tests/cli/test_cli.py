"""The command line: exact text and exit codes, arguments to settings, with made-up stages."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reccli import __version__, registry
from reccli.cli import main as entry
from reccli.cli import signals
from reccli.errors import DataError, DivergedError, ReccliError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command line in this process, in an empty folder; return code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signals, "install", lambda: None)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            entry.main(list(arguments))
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace every stage by one that records its settings, or raises `stages["raise"]`."""
    from reccli.stages.common import StageResult

    seen: dict[str, Any] = {}

    def fake(stage: str) -> Callable[..., StageResult]:
        def function(workspace: Any, *rest: Any) -> StageResult:
            seen["workspace"], seen["settings"], seen["control"] = workspace, rest[-2], rest[-1]
            seen["sources"] = rest[0]
            if "raise" in seen:
                raise seen["raise"]
            return StageResult(stage, "done", None, ("first run",), ("one line",), {"n": 1}, "reccli evaluate")

        return function

    for stage in entry.STAGES:
        module = types.ModuleType(f"reccli.stages.{stage}")
        setattr(module, stage, fake(stage))
        if stage == "prepare":
            module.Sources = lambda **given: types.SimpleNamespace(**given)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"reccli.stages.{stage}", module)
    return seen


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"reccli {__version__}\n", "")


@pytest.mark.parametrize("command", [*entry.STAGES, "tune", "status", "check", "doctor"])
def test_every_command_s_help_runs_and_has_an_example(command: str, run: Run) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"Example: reccli {command}" in " ".join(out.split())


@pytest.mark.parametrize("command", ["plugins", "config"])
def test_groups_have_help(command: str, run: Run) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "show" in out


def test_a_misspelt_command_or_option_is_one_line_and_a_hint(run: Run) -> None:
    assert run("finetun") == (
        2,
        "",
        "error: no such command 'finetun'. Did you mean 'finetune'?\nhint: reccli --help\n",
    )
    code, out, err = run("finetune", "--epoch", "3")
    assert (code, out) == (2, "")
    assert err.startswith("error: no such option: --epoch")
    assert err.endswith("hint: reccli finetune --help\n")


def test_flags_become_settings(run: Run, stages: dict[str, Any]) -> None:
    arguments = ["--encoder", "bert", "--loss", "infonce", "--device", "cpu", "--batch_size", "64", "--train", "last-2"]
    code, out, err = run("finetune", *arguments, "--set", "loss.temperature=0.05", "--refit", "-w", "somewhere")
    assert (code, out, err) == (0, "one line\nnext: reccli evaluate\n", "")
    settings = stages["settings"]
    assert (settings.encoder, settings.loss, settings.device, settings.batch_size) == ("bert", "infonce", "cpu", 64)
    assert settings.encoder_settings == {"train": "last-2"}
    assert settings.loss_settings == {"temperature": 0.05}
    assert settings.refit is True
    assert stages["workspace"].path == Path("somewhere")


def test_prepare_takes_files(run: Run, stages: dict[str, Any]) -> None:
    arguments = ["a.csv", "b.csv", "--items", "i.csv", "--ratios", "6:2:2", "--no-header", "--event-weights", "view=1"]
    assert run("prepare", *arguments)[0] == 0
    assert stages["sources"].interactions == (Path("a.csv"), Path("b.csv"))
    assert stages["sources"].items == Path("i.csv")
    assert stages["settings"].ratios == pytest.approx((0.6, 0.2, 0.2))
    assert stages["settings"].header is False
    assert stages["settings"].event_weights == {"view": 1.0}


def test_compare_names_two_runs(run: Run, stages: dict[str, Any]) -> None:
    assert run("evaluate", "--compare", "a", "b", "--run", "c", "--k", "5", "--k", "10")[0] == 0
    assert stages["settings"].runs == ("a", "b", "c")
    assert stages["settings"].compare is True
    assert stages["settings"].ks == (5, 10)


@pytest.mark.parametrize("command", ["evaluate", "recommend"])
def test_weights_are_numbers_or_auto(run: Run, stages: dict[str, Any], command: str) -> None:
    runs = ["--run", "a", "--run", "b", *(["--ensemble"] if command == "evaluate" else [])]
    assert run(command, *runs, "--weight", "auto", "--mix", "rank")[0] == 0 or command == "recommend"
    assert (stages["settings"].weights, stages["settings"].mix) == (("auto",), "rank")
    run(command, *runs, "--weight", "2", "--weight", "0.5")
    assert (stages["settings"].weights, stages["settings"].mix) == ((2.0, 0.5), "score")
    code, out, err = run(command, *runs, "--weight", "auto", "--weight", "1")
    assert (code, out) == (2, "")
    assert "give 'auto' alone, or a number for each run" in err
    code, out, err = run(command, *runs, "--weight", "0", "--weight", "1")
    assert (code, out) == (2, "")
    assert "weights must be above 0" in err


def test_json_is_one_object(run: Run, stages: dict[str, Any]) -> None:
    code, out, err = run("pretrain", "--json")
    assert (code, err) == (0, "")
    body = json.loads(out)
    assert body["stage"] == "pretrain"
    assert body["data"] == {"n": 1}


def test_quiet_prints_results_only(run: Run, stages: dict[str, Any]) -> None:
    assert run("pretrain", "-q") == (0, "one line\n", "")


@pytest.mark.parametrize("error", [DataError("row 3 is bad", hint="mend it"), DivergedError("loss is nan")])
def test_errors_are_lines_and_codes(error: ReccliError, run: Run, stages: dict[str, Any]) -> None:
    stages["raise"] = error
    code, out, err = run("pretrain")
    hint = f"hint: {error.hint}\n" if error.hint else ""
    assert (code, out, err) == (error.exit_code, "", f"error: {error.message}\n{hint}")
    code, out, err = run("pretrain", "--json")
    body = json.loads(err)["error"]
    assert (code, out, body["code"], body["message"]) == (error.exit_code, "", error.exit_code, error.message)


def test_a_bug_is_one_line_and_a_log(run: Run, stages: dict[str, Any]) -> None:
    stages["raise"] = KeyError("surprise")
    code, out, err = run("pretrain")
    assert (code, out) == (1, "")
    error, hint = err.splitlines()
    assert error == "error: unexpected error, a bug in reccli or a plugin: KeyError: 'surprise'"
    log = Path(hint.removeprefix("hint: traceback in "))
    assert "KeyError: 'surprise'" in log.read_text()
    log.unlink()


def test_an_error_in_a_plugin_names_it(run: Run, stages: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    owner = types.SimpleNamespace(distribution="reccli-dcl", version="0.1.0")
    monkeypatch.setattr(registry, "owner_of", lambda error: owner)
    stages["raise"] = ValueError("no such\nshape")
    code, out, err = run("pretrain")
    assert (code, out) == (8, "")
    error, hint = err.splitlines()
    assert error == "error: plugin reccli-dcl 0.1.0 failed: ValueError: no such"
    Path(hint.removeprefix("hint: traceback in ")).unlink()


def test_memory_and_storage_have_their_codes(run: Run, stages: dict[str, Any]) -> None:
    stages["raise"] = MemoryError()
    assert run("pretrain")[0] == 10
    stages["raise"] = OSError(28, "No space left on device", "x")
    code, _, err = run("pretrain")
    assert (code, err) == (9, "error: No space left on device: x\n")


def test_a_refused_command_leaves_no_workspace(run: Run, stages: dict[str, Any], tmp_path: Path) -> None:
    stages["raise"] = DataError("no")
    run("pretrain", "-w", "ws")
    assert not (tmp_path / "ws").exists()


def test_status_of_an_empty_workspace(run: Run) -> None:
    assert run("status") == (4, "", "error: workspace workspace is empty\nhint: reccli prepare ratings.csv\n")


def test_config_show_has_sources(run: Run) -> None:
    code, out, _ = run("config", "show", "finetune", "--set", "epochs=3", "--json")
    assert code == 0
    assert json.loads(out)["settings"]["epochs"] == {"value": 3, "source": "--set"}


def test_plugins_list_show_and_check(run: Run) -> None:
    code, out, _ = run("plugins", "list", "--kind", "loss")
    assert code == 0
    assert any(line.split()[:3] == ["loss", "infonce", "reccli"] for line in out.splitlines())
    code, out, _ = run("plugins", "show", "loss", "infonce")
    assert code == 0
    assert "--set loss.temperature=" in out
    assert "about 1 for dot products.  (tune: 0.05 to 1, log)" in out
    code, _, err = run("plugins", "show", "loss", "infonc")
    assert code == 2
    assert "did you mean 'infonce'?" in err
    code, _, err = run("plugins", "list", "--kind", "los")
    assert (code, err.splitlines()[0][:60]) == (2, "error: no kind called 'los'; did you mean 'loss'? (aux, enco")


def test_recommend_takes_new_items_and_texts_of_users(run: Run, stages: dict[str, Any]) -> None:
    code, _, _ = run("recommend", "--items", "new.csv", "--only-new", "--user-text", "films about space")
    assert code == 0
    settings = stages["settings"]
    assert (settings.new_items, settings.only_new, settings.user_text) == ("new.csv", True, "films about space")
