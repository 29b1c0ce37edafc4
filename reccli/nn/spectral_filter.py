"""Filters of the spectrum and of one hop: their vectors, and how well they rank rows held out of training.

U users, I items, R components, B users of a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reccli.nn.held_out import ndcg
from reccli.nn.history_age import aged
from reccli.nn.history_matrix import history_matrix
from reccli.nn.one_hop import OneHop
from reccli.nn.sparse_choice import Trial
from reccli.nn.spectral import Spectrum, fold_in, item_scale

if TYPE_CHECKING:
    pass

__all__ = ["Filter", "best_mixture", "best_of_spectrum", "filter_vectors"]

Float32 = npt.NDArray[np.float32]
Rated = tuple[float, "Filter"]


@dataclass(frozen=True)
class Filter:
    """What a filter does with a history.

    Args:
        rank: Components kept.
        exponent: Power of popularity taken out of histories, and put into items by the spectrum.
        l2: Components count by s^2 / (s^2 + l2), in units of that of s = 1; 0 for all the same.
        one_hop: Weight of one hop.
        item_power: Power of popularity that one hop takes out of items.
        recency: Power by which entries of a history count less with age.
    """

    rank: int
    exponent: float
    l2: float
    one_hop: float
    item_power: float
    recency: float


def filter_vectors(found: Spectrum, chosen: Filter) -> tuple[Float32, Float32]:
    """Return the dense vectors of items, and what each item adds to a history, both IR."""
    item_IR = found.item_IR[:, : chosen.rank]
    if chosen.l2:
        square_R = np.square(found.value_R[: chosen.rank], dtype=np.float64)  # a small penalty is not 0 there
        item_IR = item_IR * np.sqrt((1 + chosen.l2) * square_R / (square_R + chosen.l2)).astype(np.float32)
    scale_I1 = item_scale(found.degree_I, chosen.exponent)[:, None]
    inverse_I1 = item_scale(found.degree_I, -chosen.exponent)[:, None]
    return np.ascontiguousarray(scale_I1 * item_IR), np.ascontiguousarray(inverse_I1 * item_IR)


def best_of_spectrum(held: Trial, found: Spectrum, filters: Sequence[Filter], ranks: Sequence[int]) -> Rated:
    """Return the best of some filters by their spectra alone at the best of ascending ranks, with its NDCG@20."""
    best = (-1.0, filters[0])
    for tried in filters:
        item_IR, history_IR = filter_vectors(found, replace(tried, rank=ranks[-1]))
        user_BR = fold_in(held.seen, history_IR)
        for rank, value in zip(ranks, ndcg(user_BR, item_IR, ranks, held.seen, held.relevant, k=20), strict=True):
            best = max(best, (value, replace(tried, rank=rank)), key=lambda entry: entry[0])
    return best


def best_mixture(held: Trial, found: Spectrum, hop: OneHop, filters: Sequence[Filter]) -> Rated:
    """Return the best of some filters by both their parts, all neighbours counted, with its NDCG@20.

    Filters that follow each other and differ in `one_hop` and `item_power` alone cost little.
    """
    seen_R = {tried.recency: aged(held.seen, tried.recency) for tried in filters}
    hopping = any(tried.one_hop for tried in filters)

    def variants(low: int, high: int) -> Iterator[Tensor]:
        before: Filter | None = None
        hop_BI = dense_BI = torch.zeros(0)
        for tried in filters:
            seen = seen_R[tried.recency].rows(np.arange(low, high))
            if hopping and (before is None or before.recency != tried.recency):
                # block by block: over popular items a history of some rows reaches nearly every user
                hop_BI = torch.from_numpy((hop.hops(history_matrix(seen)) @ hop.matrix_UI).toarray()).float()
            if before is None or (before.recency, before.l2) != (tried.recency, tried.l2):
                item_IR, history_IR = filter_vectors(found, tried)
                dense_BI = torch.from_numpy(fold_in(seen, history_IR)) @ torch.from_numpy(item_IR).T
            before = tried
            scale_I = torch.from_numpy(hop.item_scale(tried.item_power) * np.float32(tried.one_hop))
            yield dense_BI + hop_BI * scale_I if tried.one_hop else dense_BI.clone()

    values = held.of_variants(variants, len(filters))
    return max(zip(values, filters, strict=True), key=lambda entry: entry[0])
