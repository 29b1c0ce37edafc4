"""Texts as tokens: tokenised once, kept flat, and cut into batches of similar length.

T texts, S tokens of all texts together, B texts of a batch, L length of its longest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["Tokens", "readable", "tokenise"]

LETTERS_PER_TOKEN = 64
FEWEST_LETTERS = 16_384

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token codes of T texts, one after the other.

    Args:
        offset_T1: Where each text begins, int64.
        code_S: Token codes, int32.
        padding: Code that fills up shorter texts of a batch.
    """

    offset_T1: Int64
    code_S: npt.NDArray[np.int32]
    padding: int

    def __len__(self) -> int:
        return len(self.offset_T1) - 1

    @property
    def length_T(self) -> Int64:
        """Tokens of each text."""
        return np.diff(self.offset_T1)

    def padded(self, text_B: Int64, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return token codes and the mask of real tokens of some texts, both BL."""
        length_B = self.length_T[text_B]
        position_L = np.arange(max(int(length_B.max(initial=0)), 1))
        mask_BL = position_L < length_B[:, None]
        index_BL = np.where(mask_BL, self.offset_T1[text_B][:, None] + position_L, 0)
        code_BL = np.where(mask_BL, self.code_S[index_BL] if len(self.code_S) else 0, self.padding)
        return torch.from_numpy(code_BL.astype(np.int64)).to(device), torch.from_numpy(mask_BL).to(device)

    def batches(self, text_N: Int64, size: int) -> Iterator[Int64]:
        """Yield positions in `text_N`, at most `size` at a time, long texts together (so that little is padding)."""
        order_N = np.argsort(-self.length_T[text_N], kind="stable")
        for start in range(0, len(order_N), size):
            yield order_N[start : start + size]


def tokenise(tokenizer: Any, texts: Sequence[str], *, max_length: int) -> Tokens:
    """Tokenise texts with a Hugging Face tokenizer, cut to `max_length` tokens each.

    A text that gives no token at all (an empty one, for tokenizers of decoders, which add none of their own) gets the
    token that ends texts, so that every text has a vector. Texts are data: far more letters than `max_length` tokens
    could have are never looked at, and halves of surrogate pairs, which no tokenizer takes, count as unknown letters.
    """
    found: list[list[int]] = []
    if texts:
        found = tokenizer(
            readable(texts, max_length=max_length),
            truncation=True,
            max_length=max_length,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
        )["input_ids"]
    if not all(found):
        found = [codes or [_ending(tokenizer)] for codes in found]
    length_T = np.fromiter((len(codes) for codes in found), np.int64, len(found))
    offset_T1 = np.concatenate([[0], np.cumsum(length_T)]).astype(np.int64)
    code_S = np.fromiter((code for codes in found for code in codes), np.int32, int(offset_T1[-1]))
    return Tokens(offset_T1, code_S, int(tokenizer.pad_token_id or 0))


def readable(texts: Sequence[str], *, max_length: int) -> list[str]:
    """Return texts as a tokenizer can take them, cut where `max_length` tokens certainly end."""
    most = max(FEWEST_LETTERS, LETTERS_PER_TOKEN * max_length)
    return [text[:most].encode("utf-8", errors="replace").decode("utf-8") for text in texts]


def _ending(tokenizer: Any) -> int:
    names = ("eos_token_id", "bos_token_id", "sep_token_id", "unk_token_id", "pad_token_id")
    return int(next((code for name in names if (code := getattr(tokenizer, name, None)) is not None), 0))
