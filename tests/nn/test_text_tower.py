"""The text model: what is trained, what is saved, and the seed of adapters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert
from tiny_gpt import tiny_gpt

from reccli.errors import ConfigError, MissingExtraError
from reccli.nn import text_tower
from reccli.nn.text_folder import check_model
from reccli.nn.text_tower import TextTower

torch.set_num_threads(1)
TEXTS = ["the rocket story", "a kiss in the garden", ""]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("m") / "tiny")


def vectors(tower: TextTower) -> torch.Tensor:
    with torch.no_grad():
        return tower.eval().encode(tower.tokenise(TEXTS), np.arange(3))


def test_counts(folder: Path) -> None:
    frozen, all_ = TextTower(folder, seed=0), TextTower(folder, mode="all", seed=0)
    assert frozen.counts()[0] == 0
    pooler = 16 * 16 + 16  # not on the way to the vector
    assert all_.counts()[0] == frozen.counts()[1] - pooler


@pytest.mark.parametrize("mode", ["last-0", "first-1", "last-", "everything"])
def test_modes_that_do_not_exist(folder: Path, mode: str) -> None:
    with pytest.raises(ConfigError, match="last-N"):
        TextTower(folder, mode=mode, seed=0)


def test_more_layers_than_there_are(folder: Path) -> None:
    with pytest.raises(ConfigError, match="has 2 layers"):
        TextTower(folder, mode="last-3", seed=0)


def test_lora_without_peft(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_tower, "has_peft", lambda: False)
    with pytest.raises(MissingExtraError, match="peft"):
        TextTower(folder, mode="lora", seed=0)


def test_the_seed_decides_the_adapters(folder: Path) -> None:
    pytest.importorskip("peft")
    one, two, other = (TextTower(folder, mode="lora", seed=seed).trained() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("mode", ["last-1", "all", "lora"])
def test_a_trained_model_is_saved_whole_and_opened_again(folder: Path, tmp_path: Path, mode: str) -> None:
    if mode == "lora":
        pytest.importorskip("peft")
    tower = TextTower(folder, mode=mode, seed=0)
    before, digest = vectors(tower), tower.state_digest()
    with torch.no_grad():
        for parameter in tower.trained().values():
            parameter.add_(0.05)
    after = vectors(tower)
    assert not torch.allclose(after, before, atol=1e-3)
    assert tower.state_digest() != digest
    tower.save(tmp_path / "saved")
    check_model(tmp_path / "saved")
    assert not list((tmp_path / "saved").glob("*.bin"))
    torch.testing.assert_close(vectors(TextTower(tmp_path / "saved", seed=0)), after, atol=1e-5, rtol=1e-4)


def test_longer_texts_than_the_model_has_positions(folder: Path) -> None:
    tower = TextTower(folder, max_length=512, seed=0)
    assert tower.max_length == 62
    assert tower.encode(tower.tokenise(["word " * 500]), np.arange(1)).isfinite().all()


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2"])
def test_decoders_say_of_each_text_what_they_say_of_it_alone(tmp_path: Path, kind: str) -> None:
    """The oracle: transformers on one text without padding, the state of its last token."""
    from transformers import AutoModel, AutoTokenizer

    folder = tiny_gpt(tmp_path / kind, kind=kind)
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    assert tokenizer.pad_token_id in (None, tokenizer.eos_token_id)  # no token of its own to pad with
    texts = [*TEXTS, "robots likes laser on a planet in the summer, and a dance"]
    tower = TextTower(folder, pooling="last", seed=0).eval()
    with torch.no_grad():
        got = tower.encode(tower.tokenise(texts), np.arange(4))
        for row, text in enumerate(texts):
            codes = tokenizer(text)["input_ids"] or [tokenizer.eos_token_id]
            state_D = model(input_ids=torch.tensor([codes])).last_hidden_state[0, -1]
            torch.testing.assert_close(got[row], state_D / state_D.norm(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("mode", ["last-1", "all", "lora"])
def test_a_decoder_is_trained_and_saved_like_the_others(tmp_path: Path, mode: str) -> None:
    if mode == "lora":
        pytest.importorskip("peft")
    tower = TextTower(tiny_gpt(tmp_path / "gpt"), mode=mode, pooling="last", seed=0)
    before = vectors(tower)
    with torch.no_grad():
        for parameter in tower.trained().values():
            parameter.add_(0.05)
    tower.save(tmp_path / "saved")
    check_model(tmp_path / "saved")
    again = TextTower(tmp_path / "saved", pooling="last", seed=0)
    torch.testing.assert_close(vectors(again), vectors(tower), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(vectors(again), before, atol=1e-3)
