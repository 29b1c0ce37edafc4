"""Stand-in encoders with views in float64, over matrices that are written out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reccli.api import Encoder, Histories, Walk

torch.set_num_threads(1)


class DenseGraph(Encoder):
    """A table over a dense symmetric matrix."""

    views = frozenset({"graph"})

    def __init__(self, train: Histories, layers: int = 2, dim: int = 3, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        vertices = train.n_users + train.n_items
        self.table_VD = nn.Parameter(torch.randn(vertices, dim, generator=generator, dtype=torch.float64))
        self.n_users, self.layers = train.n_users, layers
        self.matrix_VV = dense(train)
        self.begin_step()

    def begin_step(self) -> None:
        disturb = self.disturb or (lambda vector_VD: vector_VD)
        self.own = self._walk(lambda vector_VD: self.matrix_VV @ vector_VD, disturb)

    def walk(self, step: Callable[[Tensor], Tensor] | None = None) -> Walk:
        return self.own if step is None else self._walk(step, lambda vector_VD: vector_VD)

    def _walk(self, step: Callable[[Tensor], Tensor], disturb: Callable[[Tensor], Tensor]) -> Walk:
        layers = [self.table_VD]
        for _ in range(self.layers):
            layers.append(disturb(step(layers[-1])))
        return Walk(tuple(layers), self.n_users, step)


class Sums(Encoder):
    """A user is the sum of its entries' vectors, the l-th turned by l (so that order counts) where it reads order."""

    views = frozenset({"history"})

    def __init__(self, n_items: int, *, ordered: bool = True, dim: int = 4) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.table_ID = nn.Parameter(torch.randn(n_items, dim, generator=generator, dtype=torch.float64))
        self.reads_order = ordered
        self.seen: list[list[tuple[int, float]]] = []

    def read(self, histories: Histories) -> Tensor:
        rows = []
        for low, high in zip(histories.offset_U1[:-1], histories.offset_U1[1:], strict=True):
            entries = list(zip(histories.item_E[low:high].tolist(), histories.weight_E[low:high].tolist(), strict=True))
            self.seen.append(entries)
            total = torch.full((self.table_ID.shape[1],), 0.01, dtype=torch.float64)
            for place, (item, weight) in enumerate(entries):
                total = total + weight * self.table_ID[item].roll(place if self.reads_order else 0)
            rows.append(total)
        return torch.stack(rows)


def dense(train: Histories) -> Tensor:
    """The symmetric normalised matrix, written out."""
    users, items = train.n_users, train.n_items
    matrix = torch.zeros(users + items, users + items, dtype=torch.float64)
    for user, item in zip(train.user_E, train.item_E, strict=True):
        matrix[user, users + item] = matrix[users + item, user] = 1.0
    degree = matrix.sum(1)
    for row in range(len(matrix)):
        for column in range(len(matrix)):
            if matrix[row, column]:
                matrix[row, column] /= math.sqrt(float(degree[row] * degree[column]))
    return matrix


def cosine(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum() / (one.square().sum().sqrt() * other.square().sum().sqrt())


def among_second(first: list[Tensor], second: list[Tensor], temperature: float) -> Tensor:
    """Mean over things of -log share of the own second view among all second views."""
    total = torch.zeros((), dtype=torch.float64)
    for g, view in enumerate(first):
        shares = [(cosine(view, other) / temperature).exp() for other in second]
        total = total - (shares[g] / torch.stack(shares).sum()).log()
    return total / len(first)


def among_all(first: list[Tensor], second: list[Tensor], temperature: float, same: np.ndarray | None = None) -> Tensor:
    """Mean over views of -log share of the other view among that and all views of things that are not the same."""
    count, total = len(first), torch.zeros((), dtype=torch.float64)
    views = [*first, *second]
    for x in range(2 * count):
        other = (x + count) % (2 * count)
        own = (cosine(views[x], views[other]) / temperature).exp()
        rest = own
        for y in range(2 * count):
            alike = x % count == y % count or (same is not None and bool(same[x % count, y % count]))
            if not alike:
                rest = rest + (cosine(views[x], views[y]) / temperature).exp()
        total = total - (own / rest).log()
    return total / (2 * count)


class Oracles:
    """Literal versions, for tests that cannot import from here."""

    DenseGraph, Sums = DenseGraph, Sums
    dense = staticmethod(dense)
    cosine = staticmethod(cosine)
    among_second = staticmethod(among_second)
    among_all = staticmethod(among_all)


@pytest.fixture
def oracle() -> type[Oracles]:
    return Oracles
