"""Texts by their words: what a sentence model blurs, such as the name of an author. N texts, V buckets, L numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reccli.nn.vocabulary import Vocabulary

__all__ = ["Words"]

MOST = 1 << 14
SIZE = 256


class Words(Vocabulary):
    """Latent semantic vectors of hashed words and pairs of words.

    ::

        v = unit(w B - mean)

    with `w` weighted counts (`reccli.nn.vocabulary`) for the buckets that at least two texts have (the most frequent
    16,384 at most), and `B` their leading right singular vectors over all texts of the catalogue. Nothing is there
    before `fit`, or before a state is loaded.

    Paper:
        Deerwester et al.: Indexing by Latent Semantic Analysis, JASIS 41(6), 1990.
    """

    basis_VL: Tensor
    mean_L: Tensor

    def __init__(self) -> None:
        super().__init__(pairs=True, most=MOST)
        self.register_buffer("basis_VL", torch.zeros(0, 0))
        self.register_buffer("mean_L", torch.zeros(0))

    def fit(self, texts: Sequence[str], warm_I: npt.NDArray[np.bool_], generator: np.random.Generator) -> None:
        """Learn from the texts of the catalogue.

        Args:
            texts: One per item.
            warm_I: Items seen in training; the mean is theirs.
            generator: Draws the start of the singular vectors.
        """
        from sklearn.utils.extmath import randomized_svd

        weighted_NV = self.learn(texts)
        size = min(SIZE, *weighted_NV.shape)
        if size:
            seed = int(generator.integers(1 << 31))
            _, _, turned_LV = randomized_svd(weighted_NV, size, n_iter=4, random_state=seed)
            self.basis_VL = torch.from_numpy(np.ascontiguousarray(turned_LV.T, np.float32))
        else:
            self.basis_VL = torch.zeros(len(self.bucket_V), 0)
        projected_NL = weighted_NV @ self.basis_VL.numpy()
        self.mean_L = torch.from_numpy(projected_NL[warm_I].mean(0).astype(np.float32))

    def vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors, NL; the same for all texts without a known word."""
        centred_NL = self.weighted(texts) @ self.basis_VL.cpu().numpy() - self.mean_L.cpu().numpy()
        norm_N1 = np.linalg.norm(centred_NL, axis=1, keepdims=True)
        found: npt.NDArray[np.float32] = (centred_NL / np.maximum(norm_N1, 1e-9)).astype(np.float32)
        return found
