"""8-bit layers against literal integer arithmetic; text models in int8 are small, close, and stay out of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert
from tiny_gpt import tiny_gpt
from torch import nn

from reccli.nn.int8 import Int8Embedding, Int8Linear, in_int8, size_of
from reccli.nn.text_source import TextSource
from reccli.nn.text_tower import TextTower
from reccli.nn.text_training import TextTraining

TEXTS = ["the story part", "space rocket", "wedding kiss garden letter", "alien", "", "the the the the the the"]


def test_a_linear_layer_equals_literal_integers() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(5, 3)
    small = Int8Linear(linear.weight, linear.bias)
    x = torch.randn(2, 4, 5)
    x[0, 1] = 0.0
    got = small(x)
    assert got.shape == (2, 4, 3)
    weight, bias = linear.weight.detach().double().numpy(), linear.bias.detach().double().numpy()
    for i in range(2):
        for j in range(4):
            row = x[i, j].double().numpy()
            s = max(abs(row)) / 127
            for o in range(3):
                t = float(torch.tensor(max(abs(weight[o])) / 127).bfloat16())
                codes = [np.clip(np.rint(w / t), -127, 127) for w in weight[o]]
                rounded = [np.rint(v / s) if s else 0.0 for v in row]
                expected = s * t * sum(a * b for a, b in zip(rounded, codes, strict=True)) + bias[o]
                assert float(got[i, j, o]) == pytest.approx(expected, abs=1e-4)
    assert small.weight_OI.dtype == torch.int8
    torch.testing.assert_close(got, linear(x).detach(), atol=0.03, rtol=0)


def test_a_row_does_not_depend_on_its_company() -> None:
    small = Int8Linear(torch.randn(8, 6), None)
    x = torch.randn(5, 6)
    x[3] *= 1000
    torch.testing.assert_close(small(x)[:3], small(x[:3]))
    assert small(x[:0]).shape == (0, 8)


def test_a_table_keeps_its_rows() -> None:
    table = torch.randn(7, 4) * torch.tensor([1e-3, 1.0, 1e3, 1.0, 1.0, 1.0, 0.0])[:, None]
    got = Int8Embedding(table)(torch.tensor([[0, 1], [2, 6]]))
    for code, row in zip([0, 1, 2, 6], got.reshape(4, 4), strict=True):
        torch.testing.assert_close(row, table[code], atol=float(table[code].abs().max()) / 120 + 1e-9, rtol=0)


def model_folder(folder: Path, kind: str) -> Path:
    return tiny_bert(folder / kind) if kind == "bert" else tiny_gpt(folder / kind, kind=kind)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
def test_vectors_are_close_and_the_model_comes_back(tmp_path: Path, kind: str) -> None:
    tower = TextTower(model_folder(tmp_path, kind), pooling="mean", seed=1)
    tokens, rows = tower.tokenise(TEXTS[:4]), np.arange(4)
    with torch.no_grad():
        exact = tower.encode(tokens, rows)
        with tower.as_int8():
            kinds = {type(part).__name__ for part in tower.model.modules()}
            close = tower.encode(tokens, rows)
        again = tower.encode(tokens, rows)
    assert {"Int8Linear", "Int8Embedding"} <= kinds
    assert not kinds & {"Linear", "Conv1D", "Embedding"}
    assert float((exact * close).sum(1).min()) > 0.99
    assert not torch.equal(exact, close)
    assert torch.equal(exact, again)


def test_a_model_of_the_usual_sizes_is_a_quarter() -> None:
    from transformers import BertConfig, BertModel

    config = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    with torch.device("meta"):
        shape = BertModel(config)
    model = shape.to_empty(device="cpu")
    for p in model.parameters():
        p.data.fill_(0.01)
    assert size_of(in_int8(model, max_length=64)) <= 0.25 * size_of(model)


@pytest.mark.parametrize("mode", ["last-1", "lora"])
def test_it_follows_weights_that_are_trained_and_leaves_them_alone(tmp_path: Path, mode: str) -> None:
    if mode == "lora":
        pytest.importorskip("peft")
    folder = tiny_bert(tmp_path / "tiny")
    source = TextSource(folder, mode=mode, training=TextTraining(int8=True))
    exact = TextSource(folder, mode=mode)
    for each in (source, exact):
        with torch.no_grad():
            for number, p in enumerate(each.tower.trained().values()):
                p.add_(0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(number)))
    before = {name: p.detach().clone() for name, p in source.tower.trained().items()}
    vectors = [each.vectors(TEXTS, cached=False) for each in (source, exact)]
    assert (vectors[0] * vectors[1]).sum(1).min() > 0.99
    assert all(torch.equal(p, before[name]) and p.requires_grad for name, p in source.tower.trained().items())


def test_its_cache_is_its_own_and_it_says_how_close_it_is(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "tiny")
    exact = TextSource(folder, cache=tmp_path / "cache")
    small = TextSource(folder, cache=tmp_path / "cache", training=TextTraining(int8=True))
    first, second = exact.vectors(TEXTS), small.vectors(TEXTS)
    assert not np.array_equal(first, second)
    assert np.array_equal(second, TextSource(folder, cache=tmp_path / "cache", training=small.training).vectors(TEXTS))
    cosine = (first * second).sum(1)
    story = small.int8_story(TEXTS)
    assert f"{cosine.mean():.4f} on average, {cosine.min():.4f} at least, over 6 texts" in story
    assert "int8 is for the CPU" in TextSource(folder, device="cuda", training=small.training).int8_story(TEXTS)


def test_bert_in_int8_is_an_encoder_like_any_other(tmp_path: Path) -> None:
    from reccli.encoders.bert import Bert
    from reccli.testing.encoders import EncoderConformance

    folder = str(tiny_bert(tmp_path / "tiny"))

    class Conforms(EncoderConformance):
        component = "bert"

        def build(self):
            return Bert(Bert.Settings(path=folder, int8=True, train="head"))

    kit = Conforms()
    for name in ("test_state_round_trip", "test_new_items", "test_new_users", "test_exports"):
        getattr(kit, name)()
