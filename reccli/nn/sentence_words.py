"""Texts by what a sentence model says of them, and by their words. N texts, I items, T and L numbers of a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reccli.nn.tables import look_up
from reccli.nn.text_source import TextSource
from reccli.nn.text_table import TextTable
from reccli.nn.text_usage import TextUsage
from reccli.nn.text_words import Words

__all__ = ["SentenceWords"]

RAREST = 1e-3
"""Deviations of columns below this share of the largest count as this much."""


class SentenceWords(nn.Module):
    """Frozen, centred vectors of a sentence model, and beside them latent vectors of the words.

    ::

        t_i = [m(text_i) - mean of m, unit(w_i / s^(1/2))]

    with `m` the sentence model (`reccli.nn.text_table`), `w` the vectors of words and pairs of words
    (`reccli.nn.text_words`), and `s` the deviation of each of their columns, so that rarer words count for more.

    Args:
        source: The sentence model, or the cache of what it said.
        usage: What stands before texts.
        texts: One per item.
        warm_I: Items seen in training: means are theirs.
        generator: Draws the start of the words' singular vectors.
        restoring: Whether state is loaded next, so that words need not be learned.

    Shapes:
        codes N -> NT; texts N -> NT.
    """

    constants: ClassVar[frozenset[str]] = frozenset(
        {"word_IL", "scale_L", "words.bucket_V", "words.idf_V", "words.basis_VL", "words.mean_L"}
    )
    word_IL: Tensor
    scale_L: Tensor

    def __init__(
        self,
        source: TextSource,
        usage: TextUsage,
        texts: Sequence[str],
        warm_I: Tensor,
        *,
        generator: np.random.Generator,
        restoring: bool,
    ) -> None:
        super().__init__()
        self.usage, self.words = usage, Words()
        self.table = TextTable(source, usage.items(texts), warm_I, restoring=restoring)
        word_IL = torch.zeros(len(texts), 0)
        if not restoring:
            self.words.fit(texts, warm_I.numpy(), generator)
            word_IL = torch.from_numpy(self.words.vectors(texts))
        deviation_L = word_IL.square().mean(0).sqrt()
        # Texts that are all the same have zeros, and zeros times infinity would be no numbers.
        largest = float(deviation_L.max()) if bool(deviation_L.any()) else 1.0
        self.register_buffer("scale_L", deviation_L.clamp_min(RAREST * largest).rsqrt())
        self.register_buffer("word_IL", functional.normalize(word_IL * self.scale_L, dim=1))

    @property
    def size(self) -> int:
        """Numbers of a text, T."""
        return self.table.size + self.word_IL.shape[1]

    def forward(self, item_N: Tensor) -> Tensor:
        """Return texts of items, NT."""
        return torch.cat([look_up(self.table.base_ID, item_N), look_up(self.word_IL, item_N)], dim=1)

    def all_items(self) -> Tensor:
        """Return the texts of the whole catalogue, IT."""
        return torch.cat([self.table.base_ID, self.word_IL], dim=1)

    def of_items(self, texts: Sequence[str]) -> Tensor:
        """Return any items' texts, NT."""
        return self._encode(texts, self.usage.items(texts))

    def of_users(self, texts: Sequence[str]) -> Tensor:
        """Return what users say of themselves, NT."""
        return self._encode(texts, self.usage.users(texts))

    def _encode(self, texts: Sequence[str], prompted: Sequence[str]) -> Tensor:
        sentence_ND = self.table.encode(prompted)
        word_NL = torch.from_numpy(self.words.vectors(list(texts))).to(sentence_ND.device)
        return torch.cat([sentence_ND, functional.normalize(word_NL * self.scale_L, dim=1)], dim=1)
