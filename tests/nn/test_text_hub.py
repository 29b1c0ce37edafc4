"""Names of a hub: never without the network's leave, never without a commit."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from tiny_bert import tiny_bert

from reccli.errors import ConfigError, Interrupted, OfflineError
from reccli.nn.text_folder import find_model, model_determinants, model_digest, model_label
from reccli.nn.text_hub import FILES, fetch_model, hub_name, is_hub_name

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = f"someone/some-model@{COMMIT}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """A made-up hub of one model; what is asked of it is written down."""
    place = tmp_path / "models--someone--some-model" / "snapshots" / COMMIT
    source = tiny_bert(tmp_path / "source")  # transformers takes names from the hub's client when it is imported
    known: dict[str, Any] = {"place": place, "calls": [], "fetched": False}

    def snapshot_download(name: str, *, revision: str, allow_patterns: list[str], local_files_only: bool) -> str:
        known["calls"].append((name, revision, tuple(allow_patterns), local_files_only))
        if local_files_only and not known["fetched"]:
            raise FileNotFoundError(name)
        if name != "someone/some-model":
            raise ValueError("404: no such model\nsecond line")
        known["fetched"] = True
        return str(place if place.is_dir() else shutil.copytree(source, place))

    api = SimpleNamespace(model_info=lambda name, revision=None: SimpleNamespace(sha=COMMIT))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: api)
    return known


def test_a_commit_is_fetched_once_and_needs_no_network_afterwards(hub: dict[str, Any]) -> None:
    with pytest.raises(OfflineError, match="off by default") as caught:
        find_model(NAME)
    assert caught.value.hint == f"add --online to fetch it once: --encoder-path {NAME} --online"
    assert all(local for *_, local in hub["calls"])
    assert find_model(NAME, online=True) == hub["place"]
    assert find_model(NAME) == hub["place"]
    assert hub["calls"][-1] == ("someone/some-model", COMMIT, FILES, True)
    assert not any(pattern in ("*.bin", "*.py", "*") for pattern in FILES)


@pytest.mark.parametrize("revision", ["", "@main", "@0123456", "@v1.0"])
def test_without_a_commit_it_is_refused_with_the_commit_to_name(hub: dict[str, Any], revision: str) -> None:
    with pytest.raises(ConfigError, match="so that what it stands for may change") as caught:
        find_model(f"someone/some-model{revision}", online=True)
    assert caught.value.hint == f"pin it: --encoder-path {NAME} --online"
    assert not hub["calls"], "nothing is fetched"
    with pytest.raises(OfflineError) as offline:
        find_model(f"someone/some-model{revision}")
    assert "someone/some-model@COMMIT --online" in str(offline.value.hint)


def test_a_hint_does_not_fail(monkeypatch: pytest.MonkeyPatch, hub: dict[str, Any]) -> None:
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: 1 / 0)
    with pytest.raises(ConfigError) as caught:
        fetch_model("someone/some-model", online=True)
    assert "some-model@COMMIT" in str(caught.value.hint)


def test_what_cannot_be_fetched_is_said_in_one_line(hub: dict[str, Any]) -> None:
    with pytest.raises(OfflineError, match="404: no such model") as caught:
        fetch_model(f"someone/other@{COMMIT}", online=True)
    assert "\n" not in caught.value.message


def test_a_signal_while_fetching_is_no_trouble_of_the_hub(monkeypatch: pytest.MonkeyPatch, hub: dict[str, Any]) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise Interrupted(2)

    monkeypatch.setattr(huggingface_hub, "HfApi", stopped)
    with pytest.raises(Interrupted):
        fetch_model("someone/some-model", online=True)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", stopped)
    with pytest.raises(Interrupted):
        fetch_model(NAME, online=True)


def test_runs_say_which_commit_they_used(hub: dict[str, Any], tmp_path: Path) -> None:
    folder = find_model(NAME, online=True)
    assert hub_name(folder) == NAME
    assert model_determinants(folder) == {"text model": model_digest(folder), "text model name": NAME}
    assert model_label(folder) == "someone/some-model@01234567"
    plain = tiny_bert(tmp_path / "tiny")
    assert hub_name(plain) is None
    assert list(model_determinants(plain)) == ["text model"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a/b", True), ("b", True), (NAME, True), ("a/b@main", True), ("a/b/c", False), ("../a", False), ("a b", False),
     ("/a", False), ("~a/b", False), ("", False), ("a/b@", False), ("http://a/b", False)],
)  # fmt: skip
def test_names(text: str, expected: bool) -> None:
    assert is_hub_name(text) == expected
