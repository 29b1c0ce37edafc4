"""Slow, literal versions of what components compute in a vectorised way, to compare them with.

B batch rows, N negatives, D embedding, I items, K list.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from reccli.api import LossInputs

__all__ = ["best_items", "log_sum_exp", "negatives_of", "similarity"]


def similarity(name: str, user_D: Tensor, item_D: Tensor) -> Tensor:
    """Similarity of one user and one item, written out number by number; differentiable."""
    dot = sum((u * i for u, i in zip(user_D, item_D, strict=True)), torch.zeros((), dtype=user_D.dtype))
    if name == "dot":
        return dot
    if name == "cosine":
        return dot / (_length(user_D) * _length(item_D))
    if name == "euclidean":
        difference = [(u - i) ** 2 for u, i in zip(user_D, item_D, strict=True)]
        return -sum(difference, torch.zeros((), dtype=user_D.dtype))
    raise ValueError(name)


def negatives_of(inputs: LossInputs, row: int) -> Iterator[tuple[int, Tensor]]:
    """Yield (column, similarity) of each negative of a row that is not a known positive; differentiable."""
    if inputs.negative_ND is not None:
        vectors: Sequence[Tensor] = list(inputs.negative_ND)
    elif inputs.negative_BND is not None:
        vectors = list(inputs.negative_BND[row])
    else:
        vectors = []
    for column, vector in enumerate(vectors):
        if inputs.known_BN is None or not bool(inputs.known_BN[row, column]):
            yield column, similarity(inputs.similarity.name, inputs.user_BD[row], vector)


def log_sum_exp(terms: Sequence[Tensor]) -> Tensor:
    """Logarithm of a sum of exponentials, as written; terms must be of moderate size."""
    total = terms[0].exp()
    for term in terms[1:]:
        total = total + term.exp()
    return total.log()


def best_items(user_D: Sequence[float], item_ID: Sequence[Sequence[float]], seen: set[int], k: int) -> list[int]:
    """Codes of the k best unseen items by dot product, ties by code, computed in Python floats."""
    scored = [
        (-math.fsum(u * i for u, i in zip(user_D, item_D, strict=True)), code)
        for code, item_D in enumerate(item_ID)
        if code not in seen
    ]
    return [code for _, code in sorted(scored)[:k]]


def _length(vector_D: Tensor) -> Tensor:
    squares = [x**2 for x in vector_D]
    return sum(squares, torch.zeros((), dtype=vector_D.dtype)).sqrt()
