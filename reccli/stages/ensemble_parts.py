"""How the vectors of one run enter an ensemble: shifted, scaled, and with their sparse part, where they have one.

N rows, U users, I items, D embedding of a run, S sparse columns, B users of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reccli.api.vectors import MixedVectors
from reccli.stages.serving import Served, Stored

__all__ = ["Part", "nothing_like", "plain_part", "scaled", "scored_part", "side_by_side"]

Float64 = npt.NDArray[np.float64]
BLOCK = 256
EPSILON = 1e-6
"""Deviation of scores, as a share of what they could be at most, that rounding may leave of equal ones."""


@dataclass(frozen=True)
class Part:
    """One run's share: items are shifted and scaled, users are scaled by their deviations.

    The mean of the sparse part is not subtracted from it, which would fill it: one more dense number, `-u . mean` of a
    user and 1 of an item, does that.

    Args:
        served: The run.
        weight: Its weight.
        mean_D: Mean of the dense items, to be subtracted.
        mean_S: Mean of the sparse items, or None without a sparse part.
        length: Typical length of a centred item.
        root_RD: `|R u|` is the deviation of a user's scores; None where they are counted, or not divided by.
        centred: Whether scores are divided by their deviations.
    """

    served: Served
    weight: float
    mean_D: Float64
    mean_S: Float64 | None
    length: float
    root_RD: Float64 | None
    centred: bool

    def items(self, items: Stored, known_N: npt.NDArray[np.bool_]) -> Stored:
        """Return what enters for items; of z-scores zeros for those that are not known.

        Predicted values enter as they are: what a run knows nothing of has its mean and the biases of the other side.
        """
        scale_N = np.where(known_N | (not self.centred), self.weight**0.5 / self.length, 0.0)
        if not isinstance(items, MixedVectors):
            return ((items - self.mean_D) * scale_N[:, None]).astype(np.float32)
        dense_ND = np.concatenate([items.dense_ND - self.mean_D, np.ones((len(items), 1))], axis=1)
        return _scaled(MixedVectors(dense_ND, items.sparse_NS), scale_N)

    def users(self, users: Stored, known_N: npt.NDArray[np.bool_]) -> Stored:
        """Return what enters for users; of z-scores zeros for those not known, or whose scores are the same."""
        scale_N = np.where(known_N | (not self.centred), self.weight**0.5 * self.length, 0.0)
        if self.centred:
            deviation_N = self._deviations(users)
            scale_N = np.divide(scale_N, deviation_N, out=np.zeros_like(scale_N), where=deviation_N > 0)
        if not isinstance(users, MixedVectors):
            return (users * scale_N[:, None]).astype(np.float32)
        shift_N1 = np.zeros((len(users), 1)) if self.mean_S is None else -(users.sparse_NS @ self.mean_S)[:, None]
        return _scaled(MixedVectors(np.concatenate([users.dense_ND, shift_N1], axis=1), users.sparse_NS), scale_N)

    def _deviations(self, users: Stored) -> Float64:
        if isinstance(users, MixedVectors):
            return _counted_deviations(users, self.served.item_ID[self.served.reachable_I], self)
        root_RD = np.zeros((0, users.shape[1])) if self.root_RD is None else self.root_RD
        deviation_N = np.linalg.norm(users.astype(np.float64) @ root_RD.T, axis=1)
        norm_N = np.linalg.norm(users.astype(np.float64), axis=1)
        largest = float(np.linalg.norm(self.mean_D)) + self.length  # of an item, centred or not
        return np.where(deviation_N > EPSILON * norm_N * largest, deviation_N, 0.0)


def plain_part(served: Served, weight: float) -> Part:
    """Return the share of a run whose scores are added as they are."""
    items = served.item_ID
    mixed = isinstance(items, MixedVectors)
    width = items.dense_ND.shape[1] if isinstance(items, MixedVectors) else items.shape[1]
    mean_S = np.zeros(items.shape[1] - width) if mixed else None
    return Part(served, weight, np.zeros(width), mean_S, 1.0, None, False)


def scored_part(served: Served, weight: float) -> Part:
    """Return the share of a run whose scores become z-scores.

    The deviations of dense vectors are `d(u) = |R u|`, with `R` from a QR decomposition of the centred items over the
    root of I. With a sparse part they are counted on the scores themselves.
    """
    reached = served.item_ID[served.reachable_I]
    if isinstance(reached, MixedVectors):
        n_reached = max(len(reached), 1)
        mean_D = reached.dense_ND.sum(0, dtype=np.float64) / n_reached
        mean_S = np.asarray(reached.sparse_NS.sum(0, dtype=np.float64)).ravel() / n_reached
        square = np.square(reached.norms()).sum() / n_reached - np.square(mean_D).sum() - np.square(mean_S).sum()
        return Part(served, weight, mean_D, mean_S, float(max(square, 0.0)) ** 0.5 or 1.0, None, True)
    reached_ID = reached.astype(np.float64)
    mean_D = reached_ID.mean(0) if len(reached_ID) else np.zeros(reached_ID.shape[1])
    centred_ID = reached_ID - mean_D
    length = float(np.sqrt(np.square(centred_ID).sum(1).mean())) if len(centred_ID) else 0.0
    root_RD = np.linalg.qr(centred_ID, mode="r") / max(len(centred_ID), 1) ** 0.5
    return Part(served, weight, mean_D, None, length or 1.0, root_RD, True)


def side_by_side(parts: Sequence[Stored]) -> Stored:
    """Join the columns of several runs' vectors of the same rows."""
    dense = [part.dense_ND if isinstance(part, MixedVectors) else part for part in parts]
    sparse = [part.sparse_NS for part in parts if isinstance(part, MixedVectors)]
    dense_ND = np.concatenate(dense, axis=1)
    if not sparse:
        return dense_ND
    from scipy.sparse import hstack

    return MixedVectors(dense_ND, hstack(sparse, format="csr"))


def nothing_like(items: Stored, rows: int) -> Stored:
    """Return rows of zeros of the same columns."""
    if not isinstance(items, MixedVectors):
        return np.zeros((rows, items.shape[1]), np.float32)
    from scipy.sparse import csr_matrix

    empty = csr_matrix((rows, items.sparse_NS.shape[1]), dtype=np.float32)
    return MixedVectors(np.zeros((rows, items.dense_ND.shape[1]), np.float32), empty)


def _counted_deviations(users: MixedVectors, items: Stored, part: Part) -> Float64:
    """Return the deviation of each user's scores over the items, by blocks of users."""
    deviation_N = np.zeros(len(users))
    if not isinstance(items, MixedVectors) or not len(items):
        return deviation_N
    turned_SI = items.sparse_NS.T.tocsr()
    for low in range(0, len(users), BLOCK):
        block = users[low : low + BLOCK]
        score_BI = (block.sparse_NS @ turned_SI).toarray().astype(np.float64)
        score_BI += block.dense_ND @ items.dense_ND.T
        deviation_N[low : low + BLOCK] = score_BI.std(axis=1)
    tiny_N = EPSILON * users.norms() * part.length
    return np.where(deviation_N > tiny_N, deviation_N, 0.0)


def scaled(vectors: Stored, factor: float) -> Stored:
    """Return vectors that are so many times as long."""
    if not isinstance(vectors, MixedVectors):
        return (vectors * factor).astype(np.float32)
    return _scaled(vectors, np.full(len(vectors), factor))


def _scaled(vectors: MixedVectors, scale_N: Float64) -> MixedVectors:
    from scipy.sparse import diags_array

    sparse_NS = (diags_array(scale_N.astype(np.float32)) @ vectors.sparse_NS).tocsr()
    return MixedVectors((vectors.dense_ND * scale_N[:, None]).astype(np.float32), sparse_NS)
