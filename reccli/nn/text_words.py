"""Texts by their words: what a sentence model blurs, such as the name of an author. N texts, K buckets, L numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

__all__ = ["Words"]

BUCKETS = 1 << 16
SIZE = 512
SPREAD = 8
WORD = r"(?u)\b\w+\b"


class Words(nn.Module):
    """Random projections of hashed, weighted words and pairs of words.

    ::

        v = unit(unit(tf * idf) P - mean)        tf = 1 + log count,  idf = 1 + log((1 + n) / (1 + df))

    with counts per bucket of a hash, so that words nobody has seen need no vocabulary, and `P` a sparse matrix of signs
    that keeps dot products up to about `SIZE^(-1/2)`.

    `idf` and the mean come from `fit`, or from a state.

    Paper:
        Weinberger et al.: Feature Hashing for Large Scale Multitask Learning, ICML 2009,
        https://arxiv.org/abs/0902.2206. Achlioptas: Database-friendly Random Projections, JCSS 66(4), 2003,
        https://doi.org/10.1016/S0022-0000(03)00025-4.
    """

    idf_K: Tensor
    mean_L: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("idf_K", torch.zeros(0))
        self.register_buffer("mean_L", torch.zeros(0))

    def fit(self, texts: Sequence[str], warm_I: npt.NDArray[np.bool_]) -> None:
        """Learn how rare words are, and the mean vector, of the texts of items seen in training."""
        count_NK = _counts([text for text, warm in zip(texts, warm_I, strict=True) if warm])
        df_K = np.bincount(count_NK.indices, minlength=BUCKETS)
        idf_K = 1 + np.log((1 + count_NK.shape[0]) / (1 + df_K))
        self.idf_K = torch.from_numpy(idf_K.astype(np.float32))
        self.mean_L = torch.from_numpy(self._projected(count_NK).mean(0).astype(np.float32))

    def vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors, NL; zeros for a text without words."""
        centred_NL = self._projected(_counts(texts)) - self.mean_L.cpu().numpy()
        norm_N1 = np.linalg.norm(centred_NL, axis=1, keepdims=True)
        found: npt.NDArray[np.float32] = (centred_NL / np.maximum(norm_N1, 1e-9)).astype(np.float32)
        return found

    def _projected(self, count_NK: Any) -> npt.NDArray[np.float32]:
        import scipy.sparse as sp

        weighted_NK = count_NK @ sp.diags(self.idf_K.cpu().numpy())
        norm_N = np.sqrt(np.asarray(weighted_NK.multiply(weighted_NK).sum(1)).ravel())
        unit_NK = sp.diags(1 / np.maximum(norm_N, 1e-9)) @ weighted_NK
        projected: npt.NDArray[np.float32] = (unit_NK @ _projection()).toarray().astype(np.float32)
        return projected


def _counts(texts: Sequence[str]) -> Any:
    """Return 1 + log count of each bucket, NK sparse."""
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = HashingVectorizer(
        n_features=BUCKETS, alternate_sign=False, norm=None, ngram_range=(1, 2), token_pattern=WORD
    )
    count_NK = hashing.transform(list(texts)).tocsr()
    count_NK.data = 1 + np.log(count_NK.data)
    return count_NK


def _projection() -> Any:
    """Return the signs, KL sparse: a constant, the same in every process."""
    import scipy.sparse as sp

    draw = np.random.default_rng(0)
    sign = draw.choice([-1.0, 1.0], BUCKETS * SPREAD).astype(np.float32) / np.float32(np.sqrt(SPREAD))
    place = draw.integers(0, SIZE, BUCKETS * SPREAD)
    return sp.csr_matrix((sign, (np.repeat(np.arange(BUCKETS), SPREAD), place)), (BUCKETS, SIZE))
