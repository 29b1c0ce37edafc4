"""Masked tokens: who is chosen and what they become, and the head, fresh or the folder's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert
from torch import nn

from reccli.errors import ConfigError
from reccli.nn.text_mask import MaskHead, hide, special_codes, word_starts
from reccli.nn.text_tower import TextTower

torch.set_num_threads(1)
MASK = 99


def hidden(code, may, start, share, seed=0):
    return hide(
        code, may, start, share=share, mask=MASK, words=np.arange(50, 60), generator=np.random.default_rng(seed)
    )


def test_shares_of_chosen_tokens_and_of_what_becomes_of_them() -> None:
    code = np.tile(np.arange(1, 41), (500, 1))
    may = np.ones_like(code, dtype=bool)
    may[:, [0, -1]] = False
    seen, chosen = hidden(code, may, np.ones_like(may), 0.2)
    assert not chosen[:, [0, -1]].any()
    assert chosen[:, 1:-1].mean() == pytest.approx(0.2, abs=0.01)
    assert (seen[chosen] == MASK).mean() == pytest.approx(0.8, abs=0.02)
    assert (seen[chosen] == code[chosen]).mean() == pytest.approx(0.1, abs=0.02)
    assert np.isin(seen[chosen], np.arange(50, 60)).mean() == pytest.approx(0.1, abs=0.02)
    np.testing.assert_array_equal(seen[~chosen], code[~chosen])


def test_a_text_has_at_least_one_hidden_token_and_an_empty_one_none() -> None:
    code = np.full((300, 6), 7)
    may = np.zeros_like(code, dtype=bool)
    may[:299, 1:4] = True
    _, chosen = hidden(code, may, np.ones_like(may), 1e-9)
    assert chosen.sum(1).tolist() == [1] * 299 + [0]
    assert (chosen[:, 1:4].sum(0) > 70).all()  # each of the three about as often


def test_whole_words_are_hidden_together() -> None:
    code = np.full((400, 8), 7)
    may = np.ones_like(code, dtype=bool)
    start = np.tile(np.array([1, 0, 0, 1, 1, 0, 1, 0], bool), (400, 1))
    _, chosen = hidden(code, may, start, 0.3)
    for first, last in ((0, 3), (3, 4), (4, 6), (6, 8)):
        word = chosen[:, first:last]
        np.testing.assert_array_equal(word.any(1), word.all(1))
        assert 0.2 < word.any(1).mean() < 0.45


def test_words_begin_where_the_tokenizer_says(tmp_path) -> None:
    tower = TextTower(tiny_bert(tmp_path / "tiny"), seed=0)
    texts = ["space abc", "the kiss"]
    tokens = tower.tokenise(texts)
    start = word_starts(tower.tokenizer, texts, tower.max_length)
    pieces = tower.tokenizer.convert_ids_to_tokens(tokens.code_S.tolist())
    assert pieces[:6] == ["[CLS]", "space", "a", "##b", "##c", "[SEP]"]
    assert start.tolist() == [not piece.startswith("##") for piece in pieces]
    assert special_codes(tower.tokenizer).tolist() == [0, 1, 2, 3, 4]
    tower.tokenizer.mask_token = None
    with pytest.raises(ConfigError, match="no mask token"):
        special_codes(tower.tokenizer)


def test_a_fresh_head_starts_near_the_frequencies_and_shares_the_word_vectors(tmp_path) -> None:
    tower = TextTower(tiny_bert(tmp_path / "tiny"), mode="all", seed=0)
    frequency = torch.linspace(-9, -1, len(tower.model.get_input_embeddings().weight))
    head = MaskHead(tower, frequency, torch.Generator().manual_seed(1))
    assert head.fresh
    assert all(parameter is not tower.model.get_input_embeddings().weight for parameter in head.parameters())
    state = torch.randn(5, 16)
    expected = head.transform(state) @ tower.model.get_input_embeddings().weight.T + frequency
    torch.testing.assert_close(head(state), expected)
    assert float((head(state) - frequency).detach().abs().mean()) < 1


@pytest.mark.parametrize("kind", ["Bert", "Roberta", "DistilBert", "MPNet", "Electra", "Albert", "ModernBert"])
def test_the_folders_own_head_gives_what_the_whole_model_gives(kind: str, tmp_path) -> None:
    import transformers

    folder = tiny_bert(tmp_path / "tiny")
    vocabulary = len((folder / "vocab.txt").read_text(encoding="utf-8").split())
    sizes = {"vocab_size": vocabulary, "max_position_embeddings": 64, "pad_token_id": 0}
    if kind == "DistilBert":
        sizes |= {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
    else:
        sizes |= {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    if kind in ("Electra", "Albert"):
        sizes |= {"embedding_size": 8}
    if kind == "ModernBert":
        sizes |= {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}ForMaskedLM")(getattr(transformers, f"{kind}Config")(**sizes)).eval()
    with torch.no_grad():
        bias = getattr(model.get_output_embeddings(), "bias", None)
        if bias is not None:
            nn.init.normal_(bias)
    model.save_pretrained(folder)
    tower = TextTower(folder, seed=0).eval()
    head = MaskHead(tower, torch.zeros(vocabulary), torch.Generator()).eval()
    assert not head.fresh
    code = torch.arange(5, 12)[None]
    with torch.no_grad():
        expected = model(input_ids=code).logits[0]
        got = head(tower.model(input_ids=code).last_hidden_state[0])
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    assert all(tuple(parameter.shape) != (vocabulary, 16) for parameter in head.parameters())
