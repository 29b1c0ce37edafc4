"""Texts by their words: what a sentence model blurs, such as the name of an author. N texts, V buckets, L numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

__all__ = ["Words"]

BUCKETS = 1 << 18
MOST = 1 << 14
SIZE = 256
FEWEST = 2
WORD = r"(?u)\b\w+\b"


class Words(nn.Module):
    """Latent semantic vectors of hashed words and pairs of words.

    ::

        v = unit(unit(tf * idf) B - mean)        tf = 1 + log count,  idf = 1 + log((1 + n) / (1 + df))

    with counts per bucket of a hash, for the buckets that at least two texts have (the most frequent 16,384 at most),
    and `B` their leading right singular vectors over all texts of the catalogue. Nothing is there before `fit`, or
    before a state is loaded.

    Paper:
        Deerwester et al.: Indexing by Latent Semantic Analysis, JASIS 41(6), 1990. Weinberger et al.: Feature Hashing
        for Large Scale Multitask Learning, ICML 2009, https://arxiv.org/abs/0902.2206.
    """

    bucket_V: Tensor
    idf_V: Tensor
    basis_VL: Tensor
    mean_L: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bucket_V", torch.zeros(0, dtype=torch.int64))
        for name in ("idf_V", "mean_L"):
            self.register_buffer(name, torch.zeros(0))
        self.register_buffer("basis_VL", torch.zeros(0, 0))

    def fit(self, texts: Sequence[str], warm_I: npt.NDArray[np.bool_], generator: np.random.Generator) -> None:
        """Learn from the texts of the catalogue.

        Args:
            texts: One per item.
            warm_I: Items seen in training; the mean is theirs.
            generator: Draws the start of the singular vectors.
        """
        from sklearn.utils.extmath import randomized_svd

        count_NK = _counts(texts)
        df_K = np.bincount(count_NK.indices, minlength=BUCKETS)
        often = np.argsort(-df_K, kind="stable")[:MOST]
        bucket_V = np.sort(often[df_K[often] >= FEWEST])
        self.bucket_V = torch.from_numpy(bucket_V.astype(np.int64))
        self.idf_V = torch.from_numpy((1 + np.log((1 + len(texts)) / (1 + df_K[bucket_V]))).astype(np.float32))
        weighted_NV = self._weighted(count_NK)
        size = min(SIZE, *weighted_NV.shape)
        if size:
            seed = int(generator.integers(1 << 31))
            _, _, turned_LV = randomized_svd(weighted_NV, size, n_iter=4, random_state=seed)
            self.basis_VL = torch.from_numpy(np.ascontiguousarray(turned_LV.T, np.float32))
        else:
            self.basis_VL = torch.zeros(len(bucket_V), 0)
        projected_NL = weighted_NV @ self.basis_VL.numpy()
        self.mean_L = torch.from_numpy(projected_NL[warm_I].mean(0).astype(np.float32))

    def vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors, NL; the same for all texts without a known word."""
        centred_NL = self._weighted(_counts(texts)) @ self.basis_VL.cpu().numpy() - self.mean_L.cpu().numpy()
        norm_N1 = np.linalg.norm(centred_NL, axis=1, keepdims=True)
        found: npt.NDArray[np.float32] = (centred_NL / np.maximum(norm_N1, 1e-9)).astype(np.float32)
        return found

    def _weighted(self, count_NK: Any) -> Any:
        """Return unit rows of weighted buckets, NV sparse."""
        import scipy.sparse as sp

        weighted_NV = count_NK[:, self.bucket_V.cpu().numpy()] @ sp.diags(self.idf_V.cpu().numpy())
        norm_N = np.sqrt(np.asarray(weighted_NV.multiply(weighted_NV).sum(1)).ravel())
        return sp.diags(1 / np.maximum(norm_N, 1e-9)) @ weighted_NV


def _counts(texts: Sequence[str]) -> Any:
    """Return 1 + log count of each bucket, NK sparse."""
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = HashingVectorizer(
        n_features=BUCKETS, alternate_sign=False, norm=None, ngram_range=(1, 2), token_pattern=WORD, dtype=np.float32
    )
    count_NK = hashing.transform(list(texts)).tocsr()
    count_NK.data = 1 + np.log(count_NK.data)
    return count_NK
