"""Model folders: what is refused before any library opens it, what is found, and the network that is never used."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import torch
from tiny_bert import tiny_bert
from tiny_gpt import tiny_gpt

from reccli.errors import ConfigError, DamagedArtifactError, OfflineError
from reccli.nn.text_folder import PRETRAINED, check_model, find_model, model_digest, model_label
from reccli.nn.text_tower import TextTower

torch.set_num_threads(1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bert(tmp_path / "tiny")


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that only exists once code out of a model folder has run."""
    return tmp_path / "canary"


def edit(folder: Path, name: str = "config.json", **values: object) -> None:
    data = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(data | values))


def plant(folder: Path, canary: Path) -> None:
    (folder / "modeling_own.py").write_text(
        f"open({str(canary)!r}, 'w').close()\nclass Own:\n    pass\n", encoding="utf-8"
    )


def test_a_plain_folder_passes(folder: Path) -> None:
    assert check_model(folder)["model_type"] == "bert"


@pytest.mark.fault(51)
@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"auto_map": {"AutoModel": "modeling_own.Own"}}, "auto_map"),
        ({"text_config": {"auto_map": {"AutoConfig": "modeling_own.Own"}}}, "auto_map"),
        ({"trust_remote_code": True}, "trust_remote_code"),
        ({"_attn_implementation": "someone/kernel"}, "someone/kernel"),
        ({"_attn_implementation_internal": "someone/kernel"}, "someone/kernel"),
        ({"attn_implementation": {"": "someone/kernel"}}, "expected eager or sdpa"),
        ({"quantization_config": {"quant_method": "own"}}, "quantization_config"),
        ({"model_type": "own"}, "model_type 'own'"),
        ({"model_type": None}, "model_type None"),
        ({"vocab_size": 10**9}, "vocab_size"),
        ({"vocab_size": 3_000_000}, "larger model than the weights"),
        ({"hidden_size": -1}, "hidden_size"),
        ({"num_hidden_layers": "6"}, "num_hidden_layers"),
    ],
)
def test_f51_configurations_that_ask_for_more_are_refused(
    folder: Path, canary: Path, values: dict[str, object], match: str
) -> None:
    plant(folder, canary)
    edit(folder, **values)
    with pytest.raises(DamagedArtifactError, match=match):
        TextTower(folder, seed=0)
    assert not canary.exists()


@pytest.mark.fault(51)
def test_f51_a_tokenizer_with_code_of_its_own_is_refused(folder: Path, canary: Path) -> None:
    plant(folder, canary)
    edit(folder, "tokenizer_config.json", auto_map={"AutoTokenizer": ["modeling_own.Own", None]})
    with pytest.raises(DamagedArtifactError, match=r"tokenizer_config\.json"):
        TextTower(folder, seed=0)
    assert not canary.exists()


class Bomb:
    """Unpickling it writes the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.canary), "w"))


@pytest.mark.fault(50)
@pytest.mark.parametrize("safe", [False, True], ids=["alone", "beside safetensors"])
def test_f50_pickled_weights_are_never_opened(folder: Path, canary: Path, safe: bool) -> None:
    import pickle

    for name in ("pytorch_model.bin", "model.pt", "training_args.bin", "state.pkl"):
        (folder / name).write_bytes(pickle.dumps(Bomb(canary)))
    if safe:
        TextTower(folder, seed=0)
    else:
        (folder / "model.safetensors").unlink()
        with pytest.raises(DamagedArtifactError, match="pickled weights alone"):
            TextTower(folder, seed=0)
    assert not canary.exists()


def test_weights_that_are_no_safetensors_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(DamagedArtifactError, match="not valid safetensors"):
        check_model(folder)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    edit(folder, hidden_size=8, intermediate_size=16)
    with pytest.raises(DamagedArtifactError, match="tiny"):
        TextTower(folder, seed=0)


def test_missing_layers_are_refused(folder: Path) -> None:
    edit(folder, num_hidden_layers=3)
    with pytest.raises(DamagedArtifactError, match=r"lacks the weights of encoder\.layer\.2"):
        TextTower(folder, seed=0)


def test_an_index_may_not_lead_elsewhere(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "elsewhere.safetensors")
    index = {"weight_map": {"a": "../elsewhere.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(DamagedArtifactError, match="elsewhere"):
        check_model(folder)


@pytest.mark.parametrize(("name", "match"), [("config.json", "config.json"), ("tokenizer.json", "tokenizer")])
def test_missing_files_are_named(folder: Path, name: str, match: str) -> None:
    (folder / name).unlink()
    (folder / "vocab.txt").unlink()
    with pytest.raises(DamagedArtifactError, match=match):
        check_model(folder)


def test_an_adapter_is_refused(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(DamagedArtifactError, match="adapter"):
        check_model(folder)


@pytest.mark.fault(98)
def test_f98_no_socket_is_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert find_model(str(folder)) == folder
    TextTower(folder, seed=0)
    with pytest.raises(OfflineError, match="off by default") as caught:
        find_model("someone/some-model")
    assert caught.value.exit_code == 12
    assert "--online" in str(caught.value.hint)


@pytest.mark.parametrize("path", ["./nowhere", "/nowhere/at/all", "a/b/c", "~nobody/x y"])
def test_a_path_that_is_no_folder_is_a_mistake_not_a_download(path: str) -> None:
    with pytest.raises(ConfigError, match="not a folder"):
        find_model(path, online=True)


def test_what_is_asked_for_comes_before_what_was_pretrained(folder: Path, tmp_path: Path) -> None:
    version = tmp_path / "version"
    other = tiny_bert(version / PRETRAINED, seed=1)
    assert find_model(None, pretrained=version) == other
    assert find_model(str(folder), pretrained=version) == folder


def test_the_digest_is_of_content_not_of_place(folder: Path, tmp_path: Path) -> None:
    same, other = tiny_bert(tmp_path / "same"), tiny_bert(tmp_path / "other", seed=1)
    (same / "README.md").write_text("words", encoding="utf-8")
    assert model_digest(same) == model_digest(folder)
    assert model_digest(other) != model_digest(folder)


def test_labels_are_short(tmp_path: Path) -> None:
    assert model_label(tmp_path / "pretrain" / "mine" / "0123" / PRETRAINED) == "the text model of pretrain mine"
    assert model_label(Path("/x/some-model")) == "some-model"


@pytest.mark.fault(50)
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_f50_no_pickle_beside_or_below_a_model_is_opened(tmp_path: Path, canary: Path, kind: str) -> None:
    import pickle

    import numpy as np

    folder = tiny_gpt(tmp_path / "tiny", kind=kind)
    (folder / "1_Pooling").mkdir()
    bomb = pickle.dumps(Bomb(canary))
    for name in ("rust_model.ot", "model.joblib", "optimizer.pt", "vocab.pkl", "1_Pooling/pytorch_model.bin"):
        (folder / name).write_bytes(bomb)
    np.save(folder / "embeddings.npy", np.array([Bomb(canary)], dtype=object), allow_pickle=True)
    TextTower(folder, pooling="last", seed=0).save(tmp_path / "saved")
    assert not canary.exists()
    saved = {path.suffix for path in (tmp_path / "saved").rglob("*") if path.is_file()}
    assert saved <= {".json", ".safetensors", ".txt", ".jinja"}


@pytest.mark.fault(51)
@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2"])
@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"auto_map": {"AutoModel": "modeling_own.Own"}}, "auto_map"),
        ({"_attn_implementation": "someone/kernel"}, "someone/kernel"),
        ({"num_hidden_layers": 10**6, "n_layer": 10**6}, "expected 1 to 256"),
        ({"n_positions": 10**9, "max_position_embeddings": 10**9}, "expected 1 to"),
        ({"vocab_size": True}, "vocab_size is True"),
        ({"model_type": "gptj-own"}, "model_type 'gptj-own'"),
        ({"vocab_size": 3_000_000}, "larger model than the weights"),
    ],
)
def test_f51_decoders_are_checked_in_the_same_way(
    tmp_path: Path, canary: Path, kind: str, values: dict[str, object], match: str
) -> None:
    folder = tiny_gpt(tmp_path / "tiny", kind=kind)
    plant(folder, canary)
    edit(folder, **values)
    with pytest.raises(DamagedArtifactError, match=match):
        TextTower(folder, seed=0)
    assert not canary.exists()


@pytest.mark.fault(51)
def test_f51_a_run_is_refused_before_anything_is_opened(tmp_path: Path, canary: Path) -> None:
    """The stage itself: exit code 5, one line, the next step, and nothing written."""
    from shop import shop

    from reccli.settings import FinetuneSettings
    from reccli.stages.common import Control
    from reccli.stages.finetune import finetune

    workspace, folder = shop(tmp_path / "shop", users=12, items=8), tiny_bert(tmp_path / "tiny")
    plant(folder, canary)
    edit(folder, auto_map={"AutoModel": "modeling_own.Own"})
    for encoder in ("bert", "hybrid"):
        settings = FinetuneSettings(encoder=encoder, encoder_path=str(folder), device="cpu")
        with pytest.raises(DamagedArtifactError) as caught:
            finetune(workspace, settings, Control())
        assert caught.value.exit_code == 5
        assert "\n" not in caught.value.message
        assert caught.value.hint
    assert not canary.exists()
    assert not (workspace.path / "finetune").exists()
