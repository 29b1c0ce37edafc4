"""Tokens of a user's words and an item's text as one text, put together from pieces that are tokenised once.

R pairs, S history entries shown of a pair, P pieces of a pair, C token codes of all pieces together, I items, U users.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reccli.nn.text_tokens import Tokens, readable

__all__ = ["MARKS", "PairTokens"]

Int64 = npt.NDArray[np.int64]
MARKS = ("disliked", "knows", "liked")
PLAIN_BREAK = "\n"


class PairTokens:
    """Pieces of pairs, and how they are put together.

    A pair reads: what the user says of himself, `liked` (or `knows`, `disliked`) and the text of each entry shown; then
    the text of the item. What stands before, between and behind are the tokenizer's own special tokens for two texts
    (a line break between them where it has none). The user's part is cut where the whole would be too long.

    Args:
        tokenizer: A Hugging Face tokenizer.
        item_texts: One text per item.
        user_texts: One text per user, or None.
        item_length: Tokens of the item's text that count.
        entry_length: Tokens of the text of an entry that count.
        user_length: Tokens of the user's own text that count.
        max_length: Tokens of a pair.
    """

    def __init__(
        self,
        tokenizer: Any,
        item_texts: Sequence[str],
        user_texts: Sequence[str] | None,
        *,
        item_length: int = 32,
        entry_length: int = 16,
        user_length: int = 32,
        max_length: int = 128,
    ) -> None:
        before, between, behind = _special(tokenizer)
        fixed = len(before) + len(between) + len(behind)
        self.item_length = max(1, min(item_length, max_length - fixed - 1))
        self.entry_length, self.budget = entry_length, max_length - fixed
        self.n_items, self.n_users = len(item_texts), len(user_texts or ())
        texts = [*item_texts, *(user_texts or ())]
        texts = readable(texts, max_length=max_length)
        found = [before, between, behind, *_plain(tokenizer, MARKS), *_plain(tokenizer, texts)]
        length = np.array([len(codes) for codes in found], np.int64)
        self.start, self.length = np.cumsum(length) - length, length.copy()
        self.length[3 + len(MARKS) + self.n_items :] = length[3 + len(MARKS) + self.n_items :].clip(max=user_length)
        self.code_C = np.fromiter((code for codes in found for code in codes), np.int32, int(length.sum()))
        self.padding = int(getattr(tokenizer, "pad_token_id", None) or 0)

    def tokens(self, user_R: Int64, item_R: Int64, shown_RS: Int64, mark_RS: Int64) -> Tokens:
        """Return one text per pair.

        Args:
            user_R: User codes; those without a text of their own (users of other histories) may have any.
            item_R: Item codes.
            shown_RS: Items of the entries shown, -1 for none.
            mark_RS: Place in `MARKS` of each.
        """
        rows, shown = shown_RS.shape
        first_item = 3 + len(MARKS)
        entry_RS2 = np.stack([3 + mark_RS, first_item + shown_RS.clip(min=0)], axis=2)
        length_RS2 = self.length[entry_RS2]
        length_RS2[:, :, 1] = length_RS2[:, :, 1].clip(max=self.entry_length)
        length_RS2[shown_RS < 0] = 0
        own_R1 = np.zeros((rows, 1), np.int64)
        own_length_R1 = np.zeros((rows, 1), np.int64)
        if self.n_users:
            own_R1 = (first_item + self.n_items + user_R.clip(max=self.n_users - 1))[:, None]
            own_length_R1 = np.where(user_R < self.n_users, self.length[own_R1[:, 0]], 0)[:, None]
        item_R1 = (first_item + item_R)[:, None]
        item_length_R1 = self.length[item_R1].clip(max=self.item_length)
        said_RP = np.concatenate([own_length_R1, length_RS2.reshape(rows, 2 * shown)], axis=1)
        begin_RP = np.cumsum(said_RP, axis=1) - said_RP
        said_RP = np.minimum(said_RP, (self.budget - item_length_R1 - begin_RP).clip(min=0))

        def fixed(piece: int) -> Int64:
            return np.full((rows, 1), piece, np.int64)

        piece_RP = np.concatenate(
            [fixed(0), own_R1, entry_RS2.reshape(rows, 2 * shown), fixed(1), item_R1, fixed(2)], axis=1
        )
        middle = [self.length[fixed(0)], said_RP, self.length[fixed(1)], item_length_R1, self.length[fixed(2)]]
        length_RP = np.concatenate(middle, axis=1)
        return self._joined(piece_RP, length_RP)

    def _joined(self, piece_RP: Int64, length_RP: Int64) -> Tokens:
        """Take the first tokens of pieces, row by row."""
        length, start = length_RP.ravel(), self.start[piece_RP.ravel()]
        end = np.cumsum(length)
        index = np.repeat(start - (end - length), length) + np.arange(int(length.sum()))
        offset_R1 = np.concatenate([[0], np.cumsum(length_RP.sum(axis=1))]).astype(np.int64)
        return Tokens(offset_R1, self.code_C[index], self.padding)


def _plain(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    if not texts:
        return []
    options = {"add_special_tokens": False, "return_attention_mask": False, "return_token_type_ids": False}
    found: list[list[int]] = tokenizer(list(texts), truncation=False, verbose=False, **options)["input_ids"]
    return found


def _special(tokenizer: Any) -> tuple[list[int], list[int], list[int]]:
    """Return what a tokenizer puts before, between and behind two texts."""
    first, second = _plain(tokenizer, ["a", "b"])
    both: list[int] = tokenizer("a", "b", return_attention_mask=False, return_token_type_ids=False)["input_ids"]
    place = _find(both, first, 0)
    then = _find(both, second, place + len(first))
    between = both[place + len(first) : then] or _plain(tokenizer, [PLAIN_BREAK])[0]
    return both[:place], between, both[then + len(second) :]


def _find(codes: list[int], part: list[int], low: int) -> int:
    return next(place for place in range(low, len(codes)) if codes[place : place + len(part)] == part)
