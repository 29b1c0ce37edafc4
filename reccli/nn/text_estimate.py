"""What a text tells of an item's place in the spectrum of the interactions, by kernel ridge regression.

U users, I items, W items seen in training, M landmarks, F features of a text, R components, Q twice R, B batch rows,
N items asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from reccli.api.batch import Batch
from reccli.api.data import Histories
from reccli.nn.spectral import Spectrum, item_scale, spectrum
from reccli.nn.text_left_out import Generator
from reccli.nn.text_numbers import Numbers
from reccli.nn.text_pooling import divided, interaction_weights, mean_histories, pair_weights, pool_histories
from reccli.nn.text_words import Words

__all__ = ["Kernel", "SpectralEstimate"]

LANDMARKS = 2000
MOST_ROWS = 50_000
RANK = 128
WIDTH = 0.3
RIDGE = 1.0
FOLDS = 5
BLOCK = 8192


class Kernel(nn.Module):
    """Regression from texts to both sides of the spectrum, on some items' texts as landmarks.

    ::

        y(x) = k(x) A        k(x)_m = exp(-.3 |x - x_m|^2)
        A = argmin sum over w of |y(x_w) - [d_w^(1/2) V_w, d_w^(-1/2) V_w]|^2 + r tr(A^T K A)

    with `x` the unit text vector, beside it that of the words or of the numbers where this ranks left-out items better
    (`reccli.nn.text_choice`), `V_w` an item's right singular vector and `d_w` its interactions. The first half is an
    item as something to recommend, the second as part of a history.

    It holds nothing before `fit`, or before a state is loaded.

    Paper:
        Smola, Schölkopf: Sparse Greedy Matrix Approximation for Machine Learning, ICML 2000 (the subset of regressors).
    """

    landmark_MF: Tensor
    weight_MQ: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("landmark_MF", torch.zeros(0, 0))
        self.register_buffer("weight_MQ", torch.zeros(0, 0))

    def fit(self, feature_IF: Tensor, found: Spectrum, generator: np.random.Generator, folds: int = FOLDS) -> Tensor:
        """Solve the regression; return the first half of each item as told by the other items, IR.

        That is what training has to look at: of an item that the regression has seen, it tells more than of a new one.

        Args:
            feature_IF: Text features of the catalogue.
            found: Spectrum of the training interactions.
            generator: Draws landmarks, folds, and the rows of the regression where there are very many.
            folds: Into how many parts items are cut; with 0 items are told by all, themselves included.
        """
        warm_W = generator.permutation(np.flatnonzero(found.degree_I > 0))[:MOST_ROWS]
        self.landmark_MF = feature_IF[np.sort(warm_W[:LANDMARKS])]
        both = [found.item_IR * item_scale(found.degree_I, power)[:, None] for power in (0.5, -0.5)]
        target_IQ = torch.from_numpy(np.concatenate(both, axis=1))
        parts = [np.sort(part) for part in np.array_split(generator.permutation(warm_W), max(folds, 1))]
        sums = [self._sums(feature_IF, target_IQ, part) for part in parts]
        gram_MM = torch.stack([gram for gram, _ in sums]).sum(0)
        right_MQ = torch.stack([right for _, right in sums]).sum(0)
        self.weight_MQ = self._solved(gram_MM, right_MQ)
        told_IR: Tensor = self(feature_IF).chunk(2, 1)[0].clone()
        for part, (gram, right) in zip(parts, sums, strict=True) if folds else ():
            weight_MR = self._solved(gram_MM - gram, (right_MQ - right)[:, : told_IR.shape[1]])
            told_IR[part] = self._near(feature_IF[part]) @ weight_MR
        return told_IR

    def _sums(self, feature_IF: Tensor, target_IQ: Tensor, rows: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return what some rows add to the two sides of the normal equations, MM and MQ."""
        size = len(self.landmark_MF)
        gram_MM = torch.zeros(size, size, dtype=torch.float64)
        right_MQ = torch.zeros(size, target_IQ.shape[1], dtype=torch.float64)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            near_NM = self._near(feature_IF[block]).double()
            gram_MM += near_NM.T @ near_NM
            right_MQ += near_NM.T @ target_IQ[block].double()
        return gram_MM, right_MQ

    def _solved(self, gram_MM: Tensor, right_MQ: Tensor) -> Tensor:
        left_MM = gram_MM + RIDGE * self._near(self.landmark_MF).double()
        left_MM.diagonal().add_(1e-6 * float(left_MM.diagonal().mean()))  # landmarks with one text repeat a row
        weight_MQ: Tensor = torch.linalg.solve(left_MM, right_MQ).float()
        return weight_MQ

    def _near(self, feature_NF: Tensor) -> Tensor:
        near_NM: Tensor = torch.cdist(feature_NF, self.landmark_MF).square_().mul_(-WIDTH).exp_()
        return near_NM

    def forward(self, feature_NF: Tensor) -> Tensor:
        """Return both sides, NQ."""
        parts = [self._near(block) @ self.weight_MQ for block in torch.split(feature_NF, BLOCK)]
        return torch.cat(parts) if parts else self.weight_MQ.new_zeros((0, self.weight_MQ.shape[1]))


class SpectralEstimate(nn.Module):
    """Places of items told by their texts, and users as the mean place of their history.

    Of items in a history that training has seen, the spectrum itself is taken; of others, what their texts tell. Before
    `fit`, or a state that was fitted, places have no numbers, so that nothing is added to anything.

    Args:
        train: Training interactions.
    """

    item_IR: Tensor
    past_IR: Tensor
    scale: Tensor
    word_weight: Tensor
    number_weight: Tensor
    told_IR: Tensor
    own_E: Tensor
    total_U: Tensor

    def __init__(self, train: Histories) -> None:
        super().__init__()
        self.words, self.numbers, self.kernel = Words(), Numbers(), Kernel()
        self.register_buffer("scale", torch.zeros(()))
        self.register_buffer("word_weight", torch.zeros(()))
        self.register_buffer("number_weight", torch.zeros(()))
        self.register_buffer("item_IR", torch.zeros(train.n_items, 0))
        self.register_buffer("past_IR", torch.zeros(train.n_items, 0))
        self.train_histories, self.weight_E = train, interaction_weights(train)
        total_U = np.bincount(train.user_E, weights=self.weight_E, minlength=train.n_users).astype(np.float32)
        self.register_buffer("own_E", torch.from_numpy(pair_weights(train, self.weight_E)), persistent=False)
        self.register_buffer("total_U", torch.from_numpy(total_U), persistent=False)
        self.register_buffer("told_IR", torch.zeros(train.n_items, 0), persistent=False)
        self.sums: tuple[Tensor, int, Tensor] | None = None

    def fit(
        self,
        base_ID: Tensor,
        texts: Sequence[str],
        *,
        scale: float,
        words: float,
        numbers: float,
        numpy_generator: Generator,
        folds: int = FOLDS,
    ) -> None:
        """Learn from the training interactions.

        Args:
            base_ID: Centred text vectors of the catalogue.
            texts: Their texts.
            scale: Weight of the estimate's score beside the cosine.
            words: Length of the vectors of words beside the text vectors of length 1; 0 for none.
            numbers: Length of the vectors of numbers; 0 for none.
            numpy_generator: Gives a generator by name.
            folds: Parts of the items, each told by the others for training; 0 where nothing is trained after it.
        """
        found = spectrum(self.train_histories, RANK, generator=numpy_generator("estimate spectrum"))
        warm_I = found.degree_I > 0
        self.word_weight.fill_(words)
        if words:
            self.words.fit(texts, warm_I, numpy_generator("estimate words"))
        self.number_weight.fill_(numbers)
        if numbers:
            self.numbers.fit(texts, warm_I)
        feature_IF = self.features(base_ID, texts)
        self.told_IR = self.kernel.fit(feature_IF, found, numpy_generator("estimate landmarks"), folds)
        item_IR, past_IR = self.kernel(feature_IF).chunk(2, 1)
        seen_IR = torch.from_numpy(found.item_IR * item_scale(found.degree_I, -0.5)[:, None])
        self.scale.fill_(scale)
        self.item_IR = item_IR.contiguous()
        self.past_IR = torch.where(torch.from_numpy(warm_I).unsqueeze(1), seen_IR, past_IR)

    def features(self, base_ND: Tensor, texts: Sequence[str]) -> Tensor:
        """Return text features, NF on the CPU: unit text vectors, and those of words and numbers where these count."""
        parts = [functional.normalize(base_ND.float().cpu(), dim=1)]
        for weight, part in ((self.word_weight, self.words), (self.number_weight, self.numbers)):
            if float(weight):
                parts.append(float(weight) * torch.from_numpy(part.vectors(texts)))
        return torch.cat(parts, dim=1)

    def _sums(self) -> Tensor:
        """Return the sum of each training user's places, UR."""
        if not self.past_IR.shape[1]:
            return self.past_IR.new_zeros(len(self.total_U), 0)
        past_IR, known = self.past_IR, self.sums
        if known is None or known[0] is not past_IR or known[1] != past_IR._version:  # replaced, or loaded into
            sum_UR = pool_histories(self.train_histories, self.weight_E, past_IR)
            self.sums = known = past_IR, past_IR._version, sum_UR
        return known[2]

    def of_rows(self, batch: Batch) -> Tensor:
        """Return users of a training batch without the row's own positive, BR."""
        own_B1 = self.own_E[batch.row_B].unsqueeze(1)
        rest_BR = self._sums().index_select(0, batch.user_B) - own_B1 * self.past_IR.index_select(0, batch.item_B)
        return divided(rest_BR, self.total_U[batch.user_B].unsqueeze(1) - own_B1)

    def of_histories(self, histories: Histories) -> Tensor:
        """Return users given by any history, UR; zeros for an empty one."""
        if not self.past_IR.shape[1]:
            return self.past_IR.new_zeros(histories.n_users, 0)
        return mean_histories(histories, interaction_weights(histories), self.past_IR)

    def of_items(self, item_N: Tensor) -> Tensor:
        """Return items of the catalogue, scaled, NR; in training as other items tell them."""
        place_IR = self.told_IR if self.training else self.item_IR
        return self.scale * place_IR.index_select(0, item_N)

    def of_texts(self, base_ND: Tensor, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return items given by their texts, scaled, and what they are in a history: NR, NR."""
        if not self.item_IR.shape[1]:
            none_NR = base_ND.new_zeros(len(base_ND), 0)
            return none_NR, none_NR
        found_NQ: Tensor = self.kernel(self.features(base_ND, texts).to(self.scale.device))
        item_NR, past_NR = found_NQ.chunk(2, 1)
        return self.scale * item_NR, past_NR
