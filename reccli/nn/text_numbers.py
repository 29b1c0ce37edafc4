"""Numbers that texts name, such as years: near ones are alike, which neither words nor sentence vectors see well."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

__all__ = ["Numbers"]

NUMBER = re.compile(r"(?<![\d.,])\d{3,4}(?![\d,]|\.\d)")
BUMPS = 24
BREADTH = 1.5


class Numbers(nn.Module):
    """Unit vectors of the last number of three or four digits in a text, by its rank among those of the catalogue.

    ::

        v = unit(b)        b_k = exp(-1/2 ((r - k / 23) / (1.5 / 24))^2)  for k = 0 ... 23

    with `r` the share of the texts seen in training whose number is smaller. A text without such a number has zeros.
    Nothing is there before `fit`, or before a state is loaded.
    """

    value_Q: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value_Q", torch.zeros(0, dtype=torch.float64))

    def fit(self, texts: Sequence[str], warm_I: npt.NDArray[np.bool_]) -> None:
        """Learn how numbers are spread over the texts of items seen in training."""
        value_I = _last_numbers(texts)
        known_N = value_I[warm_I & ~np.isnan(value_I)]
        quantiles = np.quantile(known_N, np.linspace(0, 1, 1001)) if len(known_N) else np.zeros(0)
        self.value_Q = torch.from_numpy(quantiles)

    def vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors or zeros, one row of 24 numbers a text."""
        value_N, value_Q = _last_numbers(texts), self.value_Q.cpu().numpy()
        if not len(value_Q):
            return np.zeros((len(texts), BUMPS), np.float32)
        # Many texts may share a number: the middle of its ranks stands for it.
        low_N, high_N = (np.searchsorted(value_Q, value_N, side=side) for side in ("left", "right"))
        rank_N = np.clip((low_N + high_N - 1) / 2 / (len(value_Q) - 1), 0, 1)
        bump_NK = np.exp(-0.5 * ((rank_N[:, None] - np.linspace(0, 1, BUMPS)) * BUMPS / BREADTH) ** 2)
        bump_NK[np.isnan(value_N)] = 0
        norm_N1 = np.linalg.norm(bump_NK, axis=1, keepdims=True)
        found: npt.NDArray[np.float32] = (bump_NK / np.maximum(norm_N1, 1e-9)).astype(np.float32)
        return found


def _last_numbers(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    found = (NUMBER.findall(text) for text in texts)
    return np.array([float(numbers[-1]) if numbers else np.nan for numbers in found])
