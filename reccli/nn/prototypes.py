"""Prototypes: centres of k-means on unit vectors, how concentrated they are, and the loss against them.

R rows, B rows of a batch, C clusters, D embedding.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Prototypes", "fit_prototypes", "prototype_loss", "usable_granularities"]

Float32 = npt.NDArray[np.float32]
MANY = 20_000
ALPHA = 10.0


@dataclass(frozen=True)
class Prototypes:
    """Clusters of one granularity.

    Args:
        centre_CD: Unit vectors.
        spread_C: What cosines with each centre are divided by.
        cluster_R: Cluster of each row.
    """

    centre_CD: Tensor
    spread_C: Tensor
    cluster_R: Tensor


def usable_granularities(wanted: tuple[int, ...], rows: int) -> tuple[int, ...]:
    """Return the numbers of clusters that leave two rows a cluster, sorted, each once; at least one number."""
    most = max(rows // 2, 1)
    return tuple(sorted({min(number, most) for number in wanted}))


def fit_prototypes(vector_RD: Float32, clusters: int, *, seed: int, temperature: float) -> Prototypes:
    """Cluster unit vectors by k-means (mini-batches above 20,000 rows).

    ::

        spread_c = t * s_c / mean of s,   s_c = sum over the rows r of c of |x_r - c| / (n_c log(n_c + 10))

    with `n_c` the rows of a cluster. A cluster of one row has no spread of its own and takes the largest; the lowest
    and the highest tenth of `s` are cut to where they begin.

    Args:
        vector_RD: Unit vectors.
        clusters: How many.
        seed: Decides the first centres.
        temperature: Mean spread.

    Paper:
        Li, Zhou, Xiong, Hoi: Prototypical Contrastive Learning of Unsupervised Representations, ICLR 2021,
        https://arxiv.org/abs/2005.04966, equation 12.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    kind = MiniBatchKMeans if len(vector_RD) > MANY else KMeans
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct vectors than clusters: some stay empty
        found = kind(n_clusters=clusters, n_init=1, random_state=seed % (1 << 32)).fit(vector_RD)
    cluster_R = found.labels_.astype(np.int64)
    centre_CD = found.cluster_centers_.astype(np.float32)
    distance_R = np.linalg.norm(vector_RD - centre_CD[cluster_R], axis=1)
    count_C = np.bincount(cluster_R, minlength=clusters)
    total_C = np.bincount(cluster_R, weights=distance_R, minlength=clusters)
    spread_C = total_C / np.maximum(count_C, 1) / np.log(count_C + ALPHA)
    single_C = count_C < 2
    spread_C[single_C] = spread_C[~single_C].max(initial=0.0)
    spread_C = np.clip(spread_C, *np.quantile(spread_C, [0.1, 0.9]))
    spread_C = temperature * spread_C / spread_C.mean() if spread_C.mean() > 0 else np.full(clusters, temperature)
    return Prototypes(
        functional.normalize(torch.from_numpy(centre_CD), dim=1),
        torch.from_numpy(spread_C.astype(np.float32)),
        torch.from_numpy(cluster_R),
    )


def prototype_loss(vector_BD: Tensor, cluster_B: Tensor, centre_CD: Tensor, spread_C: Tensor) -> Tensor:
    """Return the cross-entropy of finding each row's own prototype among all of them, B."""
    return functional.cross_entropy(vector_BD @ centre_CD.T / spread_C, cluster_B, reduction="none")
