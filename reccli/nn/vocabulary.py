"""The words of texts as weighted counts. N texts, V words kept, K buckets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

__all__ = ["Vocabulary"]

BUCKETS = 1 << 18
WORD = r"(?u)\b\w+\b"


class Vocabulary(nn.Module):
    """The words (and pairs of words) that enough texts have, and how much each counts.

    ::

        text_NV = unit(tf * idf)        tf = 1 + log count,  idf = 1 + log((1 + n) / (1 + df))

    Words are known by a hash of 2^18 buckets. Nothing is there before `learn`, or before a state is loaded.

    Args:
        pairs: Whether pairs of neighbouring words count too.
        most: Words kept: those that most texts have.
        fewest: Texts that have a word that is kept.

    Paper:
        Weinberger et al.: Feature Hashing for Large Scale Multitask Learning, ICML 2009,
        https://arxiv.org/abs/0902.2206.
    """

    bucket_V: Tensor
    idf_V: Tensor

    def __init__(self, *, pairs: bool, most: int, fewest: int = 2) -> None:
        super().__init__()
        self.pairs, self.most, self.fewest = pairs, most, fewest
        self.register_buffer("bucket_V", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("idf_V", torch.zeros(0))

    def learn(self, texts: Sequence[str]) -> Any:
        """Choose the words, and return what `weighted` returns for the same texts."""
        count_NK = self._counts(texts)
        df_K = np.bincount(count_NK.indices, minlength=BUCKETS)
        often = np.argsort(-df_K, kind="stable")[: self.most]
        bucket_V = np.sort(often[df_K[often] >= self.fewest])
        self.bucket_V = torch.from_numpy(bucket_V.astype(np.int64))
        self.idf_V = torch.from_numpy((1 + np.log((1 + len(texts)) / (1 + df_K[bucket_V]))).astype(np.float32))
        return self._weigh(count_NK)

    def weighted(self, texts: Sequence[str]) -> Any:
        """Return unit rows of weighted words, NV sparse; a row of zeros where no word is known."""
        return self._weigh(self._counts(texts))

    def _weigh(self, count_NK: Any) -> Any:
        import scipy.sparse as sp

        weighted_NV = count_NK[:, self.bucket_V.cpu().numpy()] @ sp.diags(self.idf_V.cpu().numpy())
        norm_N: npt.NDArray[np.float32] = np.sqrt(np.asarray(weighted_NV.multiply(weighted_NV).sum(1)).ravel())
        return (sp.diags(1 / np.maximum(norm_N, 1e-9)) @ weighted_NV).tocsr()

    def _counts(self, texts: Sequence[str]) -> Any:
        """Return 1 + log count of each bucket, NK sparse."""
        from sklearn.feature_extraction.text import HashingVectorizer

        hashing = HashingVectorizer(
            n_features=BUCKETS,
            alternate_sign=False,
            norm=None,
            ngram_range=(1, 2 if self.pairs else 1),
            token_pattern=WORD,
            dtype=np.float32,
        )
        count_NK = hashing.transform(list(texts)).tocsr()
        count_NK.data = 1 + np.log(count_NK.data)
        return count_NK
