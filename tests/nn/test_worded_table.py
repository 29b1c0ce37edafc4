"""Item vectors by id and words: the sum, what starts where, and the state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reccli.api import Context, Histories, TrainingData
from reccli.errors import ConfigError
from reccli.nn.text_words import Words
from reccli.nn.worded_table import WordedTable
from reccli.testing import checkerboard


def build(context: Context, **given: Any) -> WordedTable:
    data = checkerboard(users=12, items=10).data
    return WordedTable(data, context, 6, **{"start": "random", "std": 0.1, "words": "auto", "name": "test", **given})


def test_an_item_is_its_id_and_its_words() -> None:
    table = build(Context(seed=3))
    data = checkerboard(users=12, items=10).data
    words = Words()
    words.fit(list(data.item_text_I or ()), np.ones(10, bool), Context(seed=3).numpy_generator("test words"))
    raw_IW = words.vectors(list(data.item_text_I or ())).astype(np.float64)
    for item in range(10):
        wide = [raw_IW[item, w] / np.sqrt(np.sqrt((raw_IW[:, w] ** 2).mean())) for w in range(raw_IW.shape[1])]
        np.testing.assert_allclose(table.word_IW[item], wide / np.linalg.norm(wide), rtol=1e-3, atol=1e-5)
    assert table.projection_WD is not None
    own_ID, word_IW, projection_WD = (
        tensor.detach().double().numpy() for tensor in (table.item_ID, table.word_IW, table.projection_WD)
    )
    expected = torch.zeros(10, 6)
    for item in range(10):
        for column in range(6):
            told = sum(word_IW[item, w] * projection_WD[w, column] for w in range(len(projection_WD)))
            expected[item, column] = float(own_ID[item, column] + told)
    torch.testing.assert_close(table.all_items(), expected)
    torch.testing.assert_close(table(torch.tensor([7, 2, 7])), expected[[7, 2, 7]])


def test_without_words_it_is_a_table() -> None:
    table = build(Context(seed=3), words="no")
    assert table.projection_WD is None
    assert torch.equal(table.all_items(), table.item_ID)
    assert torch.equal(table(torch.tensor([3])), table.item_ID[[3]])


def test_the_spectrum_is_a_start() -> None:
    block = [(user, item) for user in range(8) for item in range(8) if user % 2 == item % 2]
    user_E, item_E = zip(*block, strict=True)
    data = TrainingData(Histories.from_arrays(user_E, item_E, n_users=8, n_items=8))
    table = WordedTable(data, Context(seed=3), 2, start="spectrum", std=0.1, words="no", name="test")
    unit_ID = torch.nn.functional.normalize(table.item_ID, dim=1)
    alike = torch.arange(8)[:, None] % 2 == torch.arange(8) % 2
    torch.testing.assert_close((unit_ID @ unit_ID.T).abs(), alike.float(), atol=1e-4, rtol=0)


def test_words_need_texts() -> None:
    data = TrainingData(Histories.from_arrays([0, 1], [0, 1], n_users=2, n_items=2))
    given = {"start": "random", "std": 0.1, "name": "test"}
    assert WordedTable(data, Context(), 2, words="auto", **given).projection_WD is None
    with pytest.raises(ConfigError, match=r"encoder\.words=yes, and the items have no texts"):
        WordedTable(data, Context(), 2, words="yes", **given)


def test_a_restored_table_waits_for_its_state() -> None:
    table, later = build(Context(seed=3)), build(Context(seed=3, restoring=True))
    assert later.word_IW.shape == (10, 0)
    for name, value in table.state_dict().items():
        later.state_dict(keep_vars=True)[name].data = torch.zeros_like(value)
    later.load_state_dict(table.state_dict())
    assert torch.equal(later.all_items(), table.all_items())
