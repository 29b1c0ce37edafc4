"""Texts by a sentence model and by words: both halves against what they are made of, and new texts in their place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bert import tiny_bert

from reccli.nn.sentence_words import SentenceWords
from reccli.nn.text_source import TextSource
from reccli.nn.text_usage import TextUsage
from reccli.nn.text_words import Words

TEXTS = ["red fox", "red fox runs", "blue fish", "blue fish", "", "green fox", "green fish runs", "red fish"]
WARM_I = torch.tensor([True] * 6 + [False] * 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny")


def build(folder: Path, *, restoring: bool = False, usage: TextUsage | None = None) -> SentenceWords:
    usage = usage or TextUsage(pooling="mean")
    generator = np.random.default_rng(3)
    return SentenceWords(TextSource(folder), usage, TEXTS, WARM_I, generator=generator, restoring=restoring)


def test_texts_are_the_centred_sentence_vector_and_words_whose_rare_columns_count_for_more(folder: Path) -> None:
    both = build(folder)
    sentence_ID = TextSource(folder).vectors(TEXTS)
    sentence_ID = sentence_ID - sentence_ID[WARM_I.numpy()].mean(0)
    words = Words()
    words.fit(TEXTS, WARM_I.numpy(), np.random.default_rng(3))
    word_IL = words.vectors(TEXTS).astype(np.float64)
    deviation_L = np.sqrt((word_IL**2).mean(0))
    word_IL = word_IL / np.sqrt(np.maximum(deviation_L, 1e-3 * deviation_L.max()))
    word_IL /= np.maximum(np.linalg.norm(word_IL, axis=1, keepdims=True), 1e-12)
    wanted_IT = np.concatenate([sentence_ID, word_IL], axis=1)
    np.testing.assert_allclose(both.all_items(), wanted_IT, atol=1e-4)
    assert both.size == wanted_IT.shape[1]
    torch.testing.assert_close(both(torch.tensor([6, 2])), both.all_items()[[6, 2]])


def test_a_new_text_lies_where_the_same_text_of_an_item_lies(folder: Path) -> None:
    both = build(folder, usage=TextUsage(pooling="mean", prefix="item: ", user_prefix="user: "))
    new_NT = both.of_items([TEXTS[1], TEXTS[7]])
    torch.testing.assert_close(new_NT, both.all_items()[[1, 7]], atol=1e-5, rtol=1e-4)
    told_NT = both.of_users([TEXTS[1]])
    size = both.table.size
    torch.testing.assert_close(told_NT[:, size:], new_NT[:1, size:])
    assert not torch.allclose(told_NT[:, :size], new_NT[:1, :size], atol=1e-3)  # the prefix is another


def test_words_of_texts_that_are_all_the_same_are_zeros(folder: Path) -> None:
    given = {"generator": np.random.default_rng(3), "restoring": False}
    both = SentenceWords(TextSource(folder), TextUsage(pooling="mean"), ["red fox"] * 6, WARM_I[:6], **given)
    assert both.size > both.table.size
    assert not both.all_items()[:, both.table.size :].any()
    assert bool(both.of_items(["red fox", "fish"]).isfinite().all())


def test_a_state_holds_the_words(folder: Path) -> None:
    first, second = build(folder), build(folder, restoring=True)
    assert second.size < first.size
    state, present = first.state_dict(), second.state_dict(keep_vars=True)
    for name, value in state.items():
        if present[name].shape != value.shape:  # as where a run is opened
            present[name].data = torch.zeros_like(value)
    second.load_state_dict(state)
    torch.testing.assert_close(second.all_items(), first.all_items())
    torch.testing.assert_close(second.of_items(["fox fish"]), first.of_items(["fox fish"]))
