"""A text encoder without a language model, as a plugin of reccli.

B batch rows, N items asked for, U users, I items, T texts, V tokens, D embedding.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize
from torch import Tensor, nn

from reccli.api import Batch, ComponentSettings, Context, Encoder, Histories, TrainingData
from reccli.errors import DataError

__all__ = ["StaticText"]

BUCKETS = 1 << 20
"""Hash buckets of words, and as many again of subwords."""


class StaticText(Encoder):
    """Turn item texts into vectors by hashed words and subwords, weighted and projected; users are means of items.

    ::

        x_i = unit( sum over tokens v of text i of  w_v (1 + log n_iv) e_v  -  mean over items )
        item_i = H x_i          user_u = G (mean of x_i over the history of u, without the row's own item in training)

    with `n_iv` how often token v (a word, or a piece of `ngram_min` to `ngram_max` letters of one) stands in text i,
    `w_v` its weight, and `e_v` row v of the `size` right singular vectors of the weighted matrix of items and tokens.
    Both matrices, H and G, start as the identity and are what training learns; tokens and their vectors stay as they
    are.

    Args:
        settings.size: Length of the vectors; 64 to 512.
        settings.weighting: `idf`, log((1 + I) / (1 + items with v)) + 1, or `sif`, a / (a + share of v among all
            tokens).
        settings.sif_a: The constant a of `sif`; 1e-4 to 1e-2.
        settings.ngram_min, settings.ngram_max: Shortest and longest pieces of words; 3 and 5.
        settings.vocabulary: Most tokens kept, the ones in most items first; 10,000 to 200,000.

    Shapes:
        users: B -> BD. items: N -> ND. encode_texts: T texts -> TD.

    Raises:
        DataError: No item has a text with a word in it.

    Notes:
        Nothing is downloaded, and setting up 10,000 items takes seconds. Subwords let misspelt, inflected and compound
        words meet. The paper of `sif` removes the first principal component of sentences; the mean, removed here, does
        most of the same. An item without a text has a zero vector, and so has a user without a history.

    Paper:
        Deerwester, Dumais, Furnas, Landauer, Harshman: Indexing by Latent Semantic Analysis, JASIS 41(6), 1990
        (projection); Arora, Liang, Ma: A Simple but Tough-to-Beat Baseline for Sentence Embeddings, ICLR 2017,
        https://openreview.net/forum?id=SyK00v5xx, algorithm 1 (`sif`).

    Pairs well with:
        `infonce` with `in-batch`, cosine similarity; cold items.

    Example:
        >>> from reccli.testing import checkerboard
        >>> world = checkerboard()
        >>> encoder = StaticText(StaticText.Settings(size=8))
        >>> encoder.setup(world.data, Context())
        >>> encoder.encode_texts(["a robot on a planet", "a kiss in a garden"]).shape
        torch.Size([2, 8])
    """

    class Settings(ComponentSettings):
        """Settings of `static-text`."""

        size: int = Field(default=256, ge=1)
        """Length of the vectors (fewer where items or tokens are fewer)."""
        weighting: Literal["idf", "sif"] = "idf"
        """How much a token counts: `idf` or `sif`, both less the commoner it is."""
        sif_a: float = Field(default=1e-3, gt=0)
        """Constant of `sif`: tokens of a greater share than this count less than half."""
        ngram_min: int = Field(default=3, ge=1)
        """Letters of the shortest piece of a word."""
        ngram_max: int = Field(default=5, ge=0)
        """Letters of the longest piece of a word; below `ngram_min` for whole words alone."""
        vocabulary: int = Field(default=50_000, ge=1)
        """Most tokens kept, the ones in most items first."""

    needs: ClassVar[frozenset[str]] = frozenset({"text", "history"})
    serves_new_users: bool = True
    serves_new_items: bool = True
    defaults: ClassVar[dict[str, Any]] = {"similarity": "cosine", "learning_rate": 1e-3, "loss.temperature": 0.1}

    token_V: Tensor
    weight_V: Tensor
    vector_VD: Tensor
    mean_D: Tensor
    feature_ID: Tensor

    def setup(self, data: TrainingData, context: Context) -> None:
        """Count tokens, weigh them, project, and start both heads at the identity."""
        self.n_items = data.n_items
        self._train = data.train
        self._sum_UD: Tensor | None = None
        count_TV = self._count(list(data.item_text_I or ()))
        token_V = self._kept(count_TV)
        weight_V = self._weights(count_TV[:, token_V])
        weighted_IV = self._weigh(count_TV[:, token_V], weight_V)
        size = min(self.settings.size, *weighted_IV.shape)
        vector_VD = _right_vectors(weighted_IV, size, context.numpy_generator("static-text"))
        projected_ID = weighted_IV @ vector_VD
        mean_D = projected_ID[np.diff(weighted_IV.indptr) > 0].mean(0)
        self.register_buffer("token_V", torch.from_numpy(token_V))
        self.register_buffer("weight_V", torch.from_numpy(weight_V))
        self.register_buffer("vector_VD", torch.from_numpy(vector_VD))
        self.register_buffer("mean_D", torch.from_numpy(mean_D.astype(np.float32)))
        self.register_buffer("feature_ID", self._features(weighted_IV))
        self.item_head = _identity(size)
        self.user_head = _identity(size)

    def begin_epoch(self, epoch: int) -> None:
        """Sum each user's item features, from which a row's own item is taken away again."""
        self._sum_UD = self._sums(self._train)

    def users(self, batch: Batch) -> Tensor:
        """Return the mean of each user's other items through the user head, BD."""
        if self._sum_UD is None:
            self.begin_epoch(0)
        count_U = torch.from_numpy(self._train.length_U).to(self.device)
        others_BD = self._sum_UD[batch.user_B] - self.feature_ID[batch.item_B]  # type: ignore[index]
        others_B1 = (count_U[batch.user_B] - 1).clamp_min(1).unsqueeze(1)
        head: Tensor = self.user_head(others_BD / others_B1)
        return head

    def items(self, item_N: Tensor) -> Tensor:
        """Return items' features through the item head, ND."""
        head: Tensor = self.item_head(self.feature_ID[item_N])
        return head

    @torch.no_grad()
    def export_users(self, histories: Histories) -> Tensor:
        """Return the mean of each history through the user head, UD."""
        length_U1 = torch.from_numpy(histories.length_U).to(self.device).clamp_min(1).unsqueeze(1)
        head: Tensor = self.user_head(self._sums(histories) / length_U1)
        return head.float().cpu()

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Return vectors of items known by their texts alone, TD."""
        count_TV = self._count(list(texts))[:, self.token_V.cpu().numpy()]
        weighted_TV = self._weigh(count_TV, self.weight_V.cpu().numpy())
        head: Tensor = self.item_head(self._features(weighted_TV).to(self.device))
        return head.float().cpu()

    def warm_items(self) -> Tensor:
        """Return which items have a text."""
        return self.feature_ID.any(1).cpu()

    def _count(self, texts: list[str]) -> sparse.csr_matrix:
        """Hashed words (columns below BUCKETS) and subwords (above), counted, TV."""
        clean = [re.sub(r"\W+", " ", unicodedata.normalize("NFKC", text).lower()) for text in texts]
        common = {"n_features": BUCKETS, "norm": None, "alternate_sign": False, "dtype": np.float32}
        lengths = (self.settings.ngram_min, self.settings.ngram_max)
        counters = [HashingVectorizer(analyzer=str.split, **common)]
        if lengths[1] >= lengths[0]:
            counters.append(HashingVectorizer(analyzer="char_wb", ngram_range=lengths, **common))
        if not clean:
            return sparse.csr_matrix((0, len(counters) * BUCKETS), dtype=np.float32)
        return sparse.hstack([counter.transform(clean) for counter in counters], format="csr")

    def _kept(self, count_TV: sparse.csr_matrix) -> np.ndarray:
        """Sorted hashes of the tokens in most items, ties by hash."""
        token_V, items_V = np.unique(count_TV.indices, return_counts=True)
        if not len(token_V):
            raise DataError(
                "no item has a text with a word in it, and the encoder 'static-text' has nothing else to go by",
                hint="name an items file with texts: reccli prepare RATINGS --items ITEMS",
            )
        best = np.argsort(-items_V, kind="stable")[: self.settings.vocabulary]
        return np.sort(token_V[best]).astype(np.int64)

    def _weights(self, count_TV: sparse.csr_matrix) -> np.ndarray:
        if self.settings.weighting == "sif":
            share_V = np.asarray(count_TV.sum(0)).ravel() / count_TV.sum()
            weight_V = self.settings.sif_a / (self.settings.sif_a + share_V)
        else:
            items_V = np.asarray((count_TV > 0).sum(0)).ravel()
            weight_V = np.log((1 + count_TV.shape[0]) / (1 + items_V)) + 1
        return np.asarray(weight_V, np.float32)

    def _weigh(self, count_TV: sparse.csr_matrix, weight_V: np.ndarray) -> sparse.csr_matrix:
        damped_TV = count_TV.copy()
        damped_TV.data = 1 + np.log(damped_TV.data)
        return normalize(damped_TV @ sparse.diags(weight_V)).tocsr()

    def _features(self, weighted_TV: sparse.csr_matrix) -> Tensor:
        feature_TD = weighted_TV @ self.vector_VD.cpu().numpy() - self.mean_D.cpu().numpy()
        feature_TD[np.diff(weighted_TV.indptr) == 0] = 0.0
        return torch.from_numpy(normalize(feature_TD).astype(np.float32))

    def _sums(self, histories: Histories) -> Tensor:
        """Sum of the features of each history's items, UD."""
        user_E = torch.from_numpy(histories.user_E).to(self.device)
        item_E = torch.from_numpy(histories.item_E).to(self.device)
        sum_UD = self.feature_ID.new_zeros((histories.n_users, self.feature_ID.shape[1]))
        return sum_UD.index_add_(0, user_E, self.feature_ID[item_E])


def _right_vectors(matrix_IV: sparse.csr_matrix, size: int, rng: np.random.Generator) -> np.ndarray:
    """Leading right singular vectors by subspace iteration on the side of the items (the shorter one), VD."""
    width = min(size + 16, *matrix_IV.shape)
    image_IQ = matrix_IV @ rng.standard_normal((matrix_IV.shape[1], width)).astype(np.float32)
    for _ in range(3):
        basis_IQ, _ = torch.linalg.qr(torch.from_numpy(image_IQ))
        back_VQ = matrix_IV.T @ basis_IQ.numpy()
        image_IQ = matrix_IV @ back_VQ
    block_VQ = torch.from_numpy(back_VQ)
    square_Q, turn_QQ = torch.linalg.eigh((block_VQ.T @ block_VQ).double())
    value_D = square_Q.flip(0)[:size].clamp_min(0).sqrt()
    scaled_QD = turn_QQ.flip(1)[:, :size] / value_D.clamp_min(1e-4 * float(value_D[0]))
    vector_VD = (block_VQ @ scaled_QD.float()).numpy()
    largest_D = vector_VD[np.abs(vector_VD).argmax(0), np.arange(size)]
    return np.ascontiguousarray(np.where(largest_D < 0, -vector_VD, vector_VD))  # one sign, so that runs agree


def _identity(size: int) -> nn.Linear:
    head = nn.Linear(size, size, bias=False)
    nn.init.eye_(head.weight)
    return head
