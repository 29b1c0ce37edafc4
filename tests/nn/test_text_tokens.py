"""Tokens kept flat, and batches of similar length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert

from reccli.nn.text_tokens import Tokens, tokenise
from reccli.nn.text_tower import TextTower

torch.set_num_threads(1)


def tokens() -> Tokens:
    return Tokens(np.array([0, 2, 2, 6, 7]), np.array([5, 6, 1, 2, 3, 4, 9], np.int32), 0)


def test_padded() -> None:
    code_BL, mask_BL = tokens().padded(np.array([2, 0, 1]), torch.device("cpu"))
    assert code_BL.tolist() == [[1, 2, 3, 4], [5, 6, 0, 0], [0, 0, 0, 0]]
    assert mask_BL.tolist() == [[True] * 4, [True, True, False, False], [False] * 4]


def test_batches_hold_each_text_once_longest_first() -> None:
    batches = list(tokens().batches(np.array([0, 1, 2, 3, 2]), 2))
    assert np.concatenate(batches).tolist() == [2, 4, 0, 3, 1]
    assert [len(batch) for batch in batches] == [2, 2, 1]


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> TextTower:
    return TextTower(tiny_bert(tmp_path_factory.mktemp("m") / "tiny"), max_length=10, batch=2, seed=0)


def test_tokenise_cuts_and_keeps_order(tower: TextTower) -> None:
    texts = ["the rocket story", "", "planet " * 30]
    found = tokenise(tower.tokenizer, texts, max_length=10)
    assert found.length_T.tolist() == [5, 2, 10]
    for row, text in enumerate(texts):
        expected = tower.tokenizer(text, truncation=True, max_length=10)["input_ids"]
        assert found.code_S[found.offset_T1[row] : found.offset_T1[row + 1]].tolist() == expected
    assert len(tokenise(tower.tokenizer, [], max_length=10)) == 0


def test_a_vector_does_not_depend_on_its_batch(tower: TextTower) -> None:
    found = tower.tokenise(["a kiss", "the garden letter dance summer", "", "robot", "alien laser"])
    with torch.no_grad():
        together = tower.encode(found, np.array([4, 0, 1, 2, 3, 0]))
        alone = torch.cat([tower.encode(found, np.array([row])) for row in (4, 0, 1, 2, 3, 0)])
    torch.testing.assert_close(together, alone)
    assert tower.encode(found, np.array([], np.int64)).shape == (0, 16)


def test_lean_encoding_has_the_same_gradients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reccli.nn import text_tower

    gradients = []
    for lean in (0, 16):
        monkeypatch.setattr(text_tower, "MANY_BATCHES", lean)
        tower = TextTower(tiny_bert(tmp_path / f"m{lean}", dropout=0.0), mode="all", batch=2, seed=0)
        found = tower.tokenise(["a kiss", "the garden", "robot", "alien laser"])
        tower.encode(found, np.arange(4))[:, 0].sum().backward()
        gradients.append({name: p.grad for name, p in tower.trained().items() if p.grad is not None})
    assert gradients[0]
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name])
