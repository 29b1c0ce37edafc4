"""Pairs put together from pieces read as the same texts tokenised whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_bert import tiny_bert
from tiny_gpt import tiny_gpt
from transformers import AutoTokenizer

from reccli.nn.pair_tokens import MARKS, PairTokens

ITEMS = ["the rocket story", "a kiss", "", "planet laser robot alien garden"]
USERS = ["likes space", ""]


@pytest.fixture(scope="module", params=["bert", "gpt"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("m") / "tiny"
    return AutoTokenizer.from_pretrained(tiny_bert(folder) if request.param == "bert" else tiny_gpt(folder))


def plain(tokenizer: Any, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def slow(
    tokenizer: Any, user: int, item: int, shown: list[tuple[int, int]], entry: int, length: int, own: int = 32
) -> list[int]:
    """One pair: pieces in order, the user's part cut to what is left."""
    is_bert = tokenizer.cls_token_id is not None
    before = [tokenizer.cls_token_id] if is_bert else []
    between = [tokenizer.sep_token_id] if is_bert else plain(tokenizer, "\n")
    behind = [tokenizer.sep_token_id] if is_bert else []
    said = plain(tokenizer, USERS[user])[:own] if user < len(USERS) else []
    for other, mark in shown:
        said = said + plain(tokenizer, MARKS[mark]) + plain(tokenizer, ITEMS[other])[:entry]
    about = plain(tokenizer, ITEMS[item])
    room = length - len(before) - len(between) - len(behind) - len(about)
    return [*before, *said[: max(room, 0)], *between, *about, *behind]


@pytest.mark.parametrize("length", [64, 20])
@pytest.mark.parametrize("own", [1, 32])
def test_pairs(tokenizer: Any, length: int, own: int) -> None:
    pairs = PairTokens(tokenizer, ITEMS, USERS, entry_length=3, user_length=own, max_length=length)
    user_R, item_R = np.array([0, 1, 7, 0]), np.array([3, 0, 2, 1])
    shown_RS = np.array([[0, 1], [3, -1], [-1, -1], [2, 3]])
    mark_RS = np.array([[2, 0], [1, 1], [1, 1], [0, 2]])
    found = pairs.tokens(user_R, item_R, shown_RS, mark_RS)
    assert len(found) == 4
    for row in range(4):
        shown = [(int(i), int(m)) for i, m in zip(shown_RS[row], mark_RS[row], strict=True) if i >= 0]
        got = found.code_S[found.offset_T1[row] : found.offset_T1[row + 1]].tolist()
        assert got == slow(tokenizer, int(user_R[row]), int(item_R[row]), shown, 3, length, own)
        assert len(got) <= length


def test_without_texts_of_users(tokenizer: Any) -> None:
    pairs = PairTokens(tokenizer, ITEMS, None, item_length=1)
    found = pairs.tokens(np.array([5]), np.array([3]), np.zeros((1, 0), np.int64), np.zeros((1, 0), np.int64))
    assert plain(tokenizer, ITEMS[3])[0] in found.code_S
    assert plain(tokenizer, ITEMS[3])[-1] not in found.code_S
