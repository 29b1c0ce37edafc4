"""Rates of layers, adapters as set, and activations computed again: each against what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert

from reccli.errors import ConfigError
from reccli.nn.text_tower import TextTower
from reccli.nn.text_training import TextTraining, layers_of, trunk_groups

TEXTS = ["the story part", "space rocket", "wedding kiss garden letter", "alien"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny", layers=3, dropout=0.2)


def tower(folder: Path, mode: str, **settings: object) -> TextTower:
    return TextTower(folder, mode=mode, seed=1, training=TextTraining(**settings))


def rates(folder: Path, mode: str, **settings: object) -> dict[str, tuple[float, float]]:
    built = tower(folder, mode, **settings)
    names = {id(p): name for name, p in built.model.named_parameters()}
    groups = trunk_groups(built.model, built.trained().values(), mode=mode, training=TextTraining(**settings))
    found = [(names[id(p)], (group["lr_scale"], group["warmup"])) for group in groups for p in group["params"]]
    assert len(found) == len(dict(found)) == len(built.trained())
    return dict(found)


@pytest.mark.parametrize("mode", ["all", "last-2", "lora"])
def test_rates_fall_with_depth(folder: Path, mode: str) -> None:
    if mode == "lora":
        pytest.importorskip("peft")
    for name, (rate, warmup) in rates(folder, mode, trunk_scale=0.5, layer_decay=0.8, trunk_warmup=0.2).items():
        above = next((2 - layer for layer in range(3) if f"layer.{layer}." in name), 3)
        assert rate == pytest.approx(0.5 * 0.8**above), name
        assert ("embeddings." in name) == (above == 3)
        assert warmup == 0.2


@pytest.mark.parametrize(("mode", "rate"), [("all", 0.07), ("lora", 0.2)])
def test_without_decay_there_is_one_group_at_the_usual_rate(folder: Path, mode: str, rate: float) -> None:
    if mode == "lora":
        pytest.importorskip("peft")
    assert set(rates(folder, mode).values()) == {(rate, 0.1)}
    assert 1e-5 <= 3e-4 * 0.07 <= 5e-5


def test_what_stands_above_the_layers_has_the_top_rate() -> None:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wte = torch.nn.Embedding(3, 2)
            self.h = torch.nn.ModuleList([torch.nn.Linear(2, 2) for _ in range(2)])
            self.ln_f = torch.nn.LayerNorm(2)

    model = Model()
    assert layers_of(model) == list(model.h)
    groups = trunk_groups(model, model.parameters(), mode="all", training=TextTraining(trunk_scale=1, layer_decay=0.5))
    by_rate = {group["lr_scale"]: {id(p) for p in group["params"]} for group in groups}
    assert by_rate[1.0] == {id(p) for part in (model.h[1], model.ln_f) for p in part.parameters()}
    assert by_rate[0.5] == {id(p) for p in model.h[0].parameters()}
    assert by_rate[0.25] == {id(model.wte.weight)}


def gradients(built: TextTower) -> dict[str, torch.Tensor]:
    built.train()
    torch.manual_seed(7)
    vector = built.encode(built.tokenise(TEXTS), np.arange(4))
    (vector @ vector.T).exp().sum().backward()
    return {name: p.grad for name, p in built.trained().items()}


@pytest.mark.parametrize("mode", ["all", "last-1", "lora"])
def test_activations_computed_again_give_the_same_gradients(folder: Path, mode: str) -> None:
    if mode == "lora":
        pytest.importorskip("peft")
    plain = tower(folder, mode)
    lean = tower(folder, mode, checkpointing=True)
    runs = [0]
    layers_of(lean.model)[-1].intermediate.register_forward_pre_hook(lambda *_: runs.__setitem__(0, runs[0] + 1))
    expected, got = gradients(plain), gradients(lean)
    assert runs[0] == 2
    for name, gradient in expected.items():
        torch.testing.assert_close(got[name], gradient, rtol=1e-5, atol=1e-7, msg=name)


def test_a_model_that_cannot_compute_again_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import BertModel

    monkeypatch.setattr(BertModel, "supports_gradient_checkpointing", False)
    with pytest.raises(ConfigError, match="models of type 'bert' cannot"):
        tower(folder, "all", checkpointing=True)


def test_adapters_are_as_set_and_add_their_scaled_product(folder: Path) -> None:
    pytest.importorskip("peft")
    built = tower(folder, "lora", lora_rank=3, lora_alpha=12, lora_targets=("dense",), lora_dropout=0.0)
    trained = built.trained()
    assert trained
    assert all("dense" in name for name in trained)
    assert {p.shape[0] for name, p in trained.items() if "lora_A" in name} == {3}
    linear = layers_of(built.model)[0].output.dense
    with torch.no_grad():
        linear.lora_B["default"].weight.normal_(generator=torch.Generator().manual_seed(0))
    x = torch.randn(2, linear.in_features, generator=torch.Generator().manual_seed(1))
    a, b = linear.lora_A["default"].weight, linear.lora_B["default"].weight
    torch.testing.assert_close(linear(x), linear.base_layer(x) + 12 / 3 * (x @ a.T @ b.T))


def test_adapters_drop_out_in_training_alone(folder: Path) -> None:
    pytest.importorskip("peft")
    built = tower(folder, "lora", lora_dropout=0.5)
    linear = layers_of(built.model)[0].attention.self.query
    with torch.no_grad():
        linear.lora_B["default"].weight.fill_(1.0)
    x = torch.ones(1, linear.in_features)
    assert torch.equal(linear.eval()(x), linear(x))
    linear.train()
    torch.manual_seed(0)
    assert not torch.equal(linear(x), linear(x))


def test_saved_adapters_are_merged(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    built = tower(folder, "lora", lora_rank=4, lora_alpha=8, lora_targets=("query", "key", "value"))
    with torch.no_grad():
        for name, p in built.trained().items():
            if "lora_B" in name:
                p.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    tokens = built.tokenise(TEXTS)
    expected = built.encode(tokens, np.arange(4)).detach()
    built.save(tmp_path / "merged")
    again = TextTower(tmp_path / "merged", seed=1)
    torch.testing.assert_close(again.encode(tokens, np.arange(4)).detach(), expected, rtol=1e-4, atol=1e-5)


def test_a_target_that_is_not_there_is_named_with_those_that_are(folder: Path) -> None:
    pytest.importorskip("peft")
    with pytest.raises(ConfigError, match=r"no linear layer is called 'querry' \(dense, key, query, value\)"):
        tower(folder, "lora", lora_targets=("querry",))
