"""`finetune --aux` on the command line: the same weight in four ways, and refusals in one line and a hint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reccli.cli import main as entry
from reccli.cli import signals


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run a command line in this process, in an empty folder; return code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signals, "install", lambda: None)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            entry.main(list(arguments))
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (
            ["--encoder", "history", "--aux", "simgcl:0.1"],
            "error: aux 'simgcl' contrasts views of the graph, and encoder 'history' has none; "
            "encoders that fit: hybrid, lightgcn",
            "hint: --encoder hybrid",
        ),
        (
            ["--encoder", "ease", "--aux", "duorec"],
            "error: aux 'duorec' contrasts views of the history, and encoder 'ease' has none; "
            "encoders that fit: bert, history, hybrid, item-tokens, recency, sasrec",
            "hint: --encoder bert",
        ),
        (
            ["--aux", "simgl"],
            "error: no aux called 'simgl'; did you mean 'simgcl'? (cl4srec, duorec, ncl, sgl, simgcl, xsimgcl)",
            "hint: reccli plugins list --kind aux",
        ),
        (
            ["--encoder", "lightgcn", "--aux", "simgcl+simgcl:2"],
            "error: aux 'simgcl+simgcl:2' names 'simgcl' twice",
            "hint: as in --aux simgcl:0.1+ncl:0.05",
        ),
    ],
)
def test_refusals_before_there_is_any_data(run, arguments: list[str], error: str, hint: str) -> None:
    code, out, err = run("finetune", *arguments)
    assert (code, out, err.splitlines()) == (2, "", [error, hint])


def test_settings_from_everywhere(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(*arguments: str) -> dict[str, dict[str, object]]:
        code, out, err = run("config", "show", "finetune", *arguments, "--json")
        assert code == 0, err
        return {name: value for name, value in json.loads(out)["settings"].items() if name.startswith("aux")}

    assert shown()["aux"] == {"value": None, "source": "default"}
    sets = ("--set", "aux=simgcl+ncl", "--set", "aux.simgcl.weight=0.3", "--set", "aux.noise=0.2")
    found = shown(*sets)
    assert found["aux"]["value"] == "simgcl+ncl"
    assert found["aux_settings"]["value"] == {"simgcl.weight": 0.3, "noise": 0.2}
    (tmp_path / "reccli.toml").write_text('[finetune.aux]\nname = "simgcl:0.1"\nnoise = 0.2\nsimgcl.weight = 0.4\n')
    found = shown()
    assert found["aux"]["value"] == "simgcl:0.1"
    assert found["aux_settings"]["value"] == {"noise": 0.2, "simgcl": {"weight": 0.4}}
    monkeypatch.setenv("RECCLI_FINETUNE_AUX", "ncl:0.7")
    monkeypatch.setenv("RECCLI_FINETUNE_AUX_SETTINGS", "ncl.weight=0.6,hops=1")
    found = shown()
    assert found["aux"]["value"] == "ncl:0.7"
    assert found["aux_settings"]["value"]["ncl.weight"] == 0.6
    assert found["aux_settings"]["value"]["hops"] == 1


def test_it_is_shown_and_listed(run) -> None:
    code, out, _ = run("plugins", "list", "--kind", "aux")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["aux", name] for name in ("cl4srec", "duorec", "ncl", "sgl", "simgcl", "xsimgcl")
    ]
    code, out, _ = run("plugins", "show", "aux", "ncl")
    assert code == 0
    assert "--set aux.hops=1" in out
    assert "needs: views of the graph" in out
    assert "default weight: 0.01" in out
    code, out, _ = run("finetune", "--help")
    assert code == 0
    assert "--aux" in out
