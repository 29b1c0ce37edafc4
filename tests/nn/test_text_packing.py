"""Texts in one row: the states, gradients and vectors of padded rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tiny_bert import tiny_bert

from reccli.api import Context
from reccli.nn import text_packing, text_trunk
from reccli.nn.text_packing import can_pack, packed_states
from reccli.nn.text_training import save_activations
from reccli.nn.text_trunk import TrunkSettings
from reccli.testing.worlds import checkerboard

torch.set_num_threads(1)
KINDS = ("Albert", "Bert", "DistilBert", "Electra", "Roberta", "XLMRoberta")
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
DISTIL = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}


def model_of(kind: str) -> Any:
    sizes = DISTIL if kind == "DistilBert" else SIZES
    padding = 1 if "oberta" in kind else 0
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=50, max_position_embeddings=40, pad_token_id=padding, initializer_range=0.3, **sizes
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return transformers.AutoModel.from_config(config).double().eval()


def batch(padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    length = torch.tensor([5, 1, 9, 5, 0, 3, 9])
    mask = torch.arange(9) < length[:, None]
    code = torch.randint(2, 50, (7, 9), generator=torch.Generator().manual_seed(1))
    return code.where(mask, padding), mask


def gradients(model: Any, state: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    (state * torch.linspace(-1, 1, state.numel(), dtype=state.dtype).view_as(state)).sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("tokens", [4, 16, 16_384])
@pytest.mark.parametrize("kind", KINDS)
def test_states_and_gradients_are_those_of_padded_rows(kind: str, tokens: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(text_packing, "PASS_TOKENS", tokens)
    model = model_of(kind)
    code, mask = batch(model.config.pad_token_id)
    assert can_pack(model)
    some = mask.any(1)  # a row of padding alone attends to nothing
    plain = model(input_ids=code[some], attention_mask=mask[some].long()).last_hidden_state[mask[some]]
    expected = gradients(model, plain)
    got = packed_states(model, code, mask)
    torch.testing.assert_close(got, plain, atol=1e-9, rtol=1e-9)
    found = gradients(model, got)
    assert set(found) == set(expected)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-6)
    assert model.config._attn_implementation == "sdpa"


def test_other_ways_are_left_alone() -> None:
    model = model_of("Bert")
    model.config.is_decoder = True
    assert not can_pack(model)
    model = model_of("Bert")
    save_activations(model)
    assert not can_pack(model)
    assert not can_pack(transformers.MPNetModel(transformers.MPNetConfig(vocab_size=50, **SIZES)))


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_the_trunk_gives_the_same_vectors_either_way(tmp_path: Path, pooling: str, monkeypatch: Any) -> None:
    data = replace(
        checkerboard(users=4, items=6).data, item_text_I=["a", "the kiss", "robot", "a laser dance", "b", "c"]
    )
    settings = TrunkSettings(path=str(tiny_bert(tmp_path / "tiny", dropout=0.0)), train="all", pooling=pooling)
    trunk = text_trunk.text_trunk(settings, data, Context())
    texts = np.array([3, 1, 0, 5, 1])
    packed = trunk(texts)
    monkeypatch.setattr(text_trunk, "can_pack", lambda model: False)
    torch.testing.assert_close(packed, trunk(texts), atol=1e-6, rtol=0)
