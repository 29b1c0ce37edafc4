"""The hardest of a pool of negatives, for each row by the current scores.

B batch rows, P items of the pool, N negatives that a row keeps, D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reccli.api.batch import Negatives
from reccli.api.similarity import Similarity
from reccli.nn.tables import look_up

__all__ = ["hardest"]


def hardest(
    user_BD: Tensor, pool_PD: Tensor, negatives: Negatives, similarity: Similarity, known_BP: Tensor
) -> tuple[Negatives, Tensor]:
    """Return each row's own negatives out of a pool that all share: codes, and vectors BND.

    ::

        own_b = the first `kept` of the pool, and the `hardest` of the rest with the highest s(user_b, item_p)

    where known positives of the row's user come last: they are picked, and then masked as everywhere, only where the
    pool has too few others.

    Args:
        user_BD: User vectors.
        pool_PD: Vectors of the pool.
        negatives: The pool, with how many of it a row keeps.
        similarity: The similarity in force.
        known_BP: True where an item of the pool is a known positive of the row's user.

    Notes:
        Choosing has no gradient; the chosen vectors have.
    """
    pool_P, first = negatives.shared_N, negatives.kept
    if pool_P is None:
        raise RuntimeError("a pool is shared by the batch")
    with torch.no_grad():
        score_BP = similarity.matrix(user_BD.detach().float(), pool_PD.detach().float())
        score_BP = score_BP.masked_fill_(known_BP, -torch.inf)[:, first:]
        place_BN = score_BP.topk(min(negatives.hardest, score_BP.shape[1]), dim=1).indices + first
        kept_N = torch.arange(min(first, len(pool_P)), device=place_BN.device)
        place_BN = torch.cat([kept_N.expand(len(place_BN), -1), place_BN], dim=1)
    return Negatives(own_BN=pool_P[place_BN]), look_up(pool_PD, place_BN)
