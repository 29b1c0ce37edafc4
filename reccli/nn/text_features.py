"""Features whose products say how alike two texts are: to a sentence model, and by their words.

I items, W items seen in training, M landmarks, T text vector, L vector of words, F features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reccli.nn.text_words import Words

__all__ = ["TextFeatures"]

LANDMARKS = 2000
WIDTH = 0.5
BLOCK = 4096


class TextFeatures(nn.Module):
    """Nyström features of a sum of two kernels.

    ::

        f_i . f_j = k(i, j) nearly        k(i, j) = (exp((cos(t_i, t_j) - 1) / h) + exp((cos(w_i, w_j) - 1) / h)) / 2
        f_i = k(i, landmarks) E e^(-1/2)

    with `t` the centred vectors of a sentence model, `w` those of the words (`reccli.nn.text_words`), `h` a width of
    1/2, and `e`, `E` the largest eigenvalues of the landmarks' own kernel with their eigenvectors. It holds nothing
    before `fit`, or before a state is loaded.

    Paper:
        Williams, Seeger: Using the Nyström Method to Speed Up Kernel Machines, NIPS 2000,
        https://papers.nips.cc/paper/1866-using-the-nystrom-method-to-speed-up-kernel-machines.
    """

    text_MT: Tensor
    word_ML: Tensor
    basis_MF: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.words = Words()
        for name in ("text_MT", "word_ML", "basis_MF"):
            self.register_buffer(name, torch.zeros(0, 0))

    @torch.no_grad()
    def fit(
        self, base_IT: Tensor, texts: Sequence[str], warm_I: Tensor, size: int, generator: np.random.Generator
    ) -> None:
        """Choose landmarks among the items seen in training, and solve.

        Args:
            base_IT: Centred text vectors.
            texts: The texts.
            warm_I: Items seen in training.
            size: F at most.
            generator: Draws landmarks.
        """
        self.words.fit(texts, warm_I.numpy(), generator)
        landmark_M = np.sort(generator.permutation(np.flatnonzero(warm_I.numpy()))[:LANDMARKS])
        self.text_MT = functional.normalize(base_IT[landmark_M].float(), dim=1)
        self.word_ML = torch.from_numpy(self.words.vectors([texts[item] for item in landmark_M]))
        value_M, turn_MM = torch.linalg.eigh(self._near(self.text_MT, self.word_ML).double())
        value_F, turn_MF = value_M[-size:], turn_MM[:, -size:]
        sound_F = value_F > 1e-6 * value_M[-1:].clamp_min(1e-12)  # texts that are the same give the same row twice
        self.basis_MF = (turn_MF[:, sound_F] * value_F[sound_F].rsqrt()).float()

    @torch.no_grad()
    def forward(self, base_NT: Tensor, texts: Sequence[str]) -> Tensor:
        """Return features of texts, NF, given with their centred text vectors."""
        device = self.basis_MF.device
        unit_NT = functional.normalize(base_NT.float().to(device), dim=1)
        word_NL = torch.from_numpy(self.words.vectors(list(texts))).to(device)
        blocks = zip(torch.split(unit_NT, BLOCK), torch.split(word_NL, BLOCK), strict=True)
        return torch.cat([self._near(unit_BT, word_BL) @ self.basis_MF for unit_BT, word_BL in blocks])

    def _near(self, unit_NT: Tensor, word_NL: Tensor) -> Tensor:
        text_NM = ((unit_NT @ self.text_MT.T - 1.0) / WIDTH).exp()
        return (text_NM + ((word_NL @ self.word_ML.T - 1.0) / WIDTH).exp()) / 2.0
