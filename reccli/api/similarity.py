"""Similarities that all end as plain dot products of stored vectors.

B batch rows, N negatives, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from reccli.errors import one_of

__all__ = ["Similarity"]

NAMES = ("dot", "cosine", "euclidean")


@dataclass(frozen=True, slots=True)
class Similarity:
    """How close a user and an item are: `dot`, `cosine`, or `euclidean` (minus the squared distance).

    `pairs`, `matrix` and `own` give the true similarity for losses. `stored_users` and `stored_items` give the
    vectors whose dot product ranks items in the same way: cosine stores unit vectors; euclidean stores `[u, 1]` and
    `[2 v, -|v|^2]`, one more dimension, whose dot product is `-|u - v|^2 + |u|^2`; the part that is constant for a user
    (`user_offset`) matters for ratings alone.
    """

    name: str = "dot"

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise one_of("similarity", self.name, NAMES)

    def pairs(self, user_BD: Tensor, item_BD: Tensor) -> Tensor:
        """Similarity of matching rows: BD, BD -> B."""
        if self.name == "euclidean":
            return -(user_BD - item_BD).square().sum(-1)
        if self.name == "cosine":
            user_BD, item_BD = _unit(user_BD), _unit(item_BD)
        return (user_BD * item_BD).sum(-1)

    def matrix(self, user_BD: Tensor, item_ND: Tensor) -> Tensor:
        """Similarity of all pairs: BD, ND -> BN, one matrix product."""
        if self.name == "euclidean":
            cross_BN = 2.0 * user_BD @ item_ND.T
            return cross_BN - user_BD.square().sum(-1, keepdim=True) - item_ND.square().sum(-1)
        if self.name == "cosine":
            user_BD, item_ND = _unit(user_BD), _unit(item_ND)
        return user_BD @ item_ND.T

    def own(self, user_BD: Tensor, item_BND: Tensor) -> Tensor:
        """Similarity of each row with its own items: BD, BND -> BN."""
        if self.name == "euclidean":
            return -(user_BD.unsqueeze(1) - item_BND).square().sum(-1)
        if self.name == "cosine":
            user_BD, item_BND = _unit(user_BD), _unit(item_BND)
        return torch.einsum("bd,bnd->bn", user_BD, item_BND)

    def stored_users(self, user_UD: Tensor) -> Tensor:
        """Vectors to store for users: UD (cosine, dot) or U(D+1) (euclidean)."""
        if self.name == "euclidean":
            return torch.cat([user_UD, torch.ones_like(user_UD[:, :1])], dim=1)
        return _unit(user_UD) if self.name == "cosine" else user_UD

    def stored_items(self, item_ID: Tensor) -> Tensor:
        """Vectors to store for items: ID (cosine, dot) or I(D+1) (euclidean)."""
        if self.name == "euclidean":
            return torch.cat([2.0 * item_ID, -item_ID.square().sum(-1, keepdim=True)], dim=1)
        return _unit(item_ID) if self.name == "cosine" else item_ID

    def user_offset_U(self, user_UD: Tensor) -> Tensor:
        """What the stored dot product lacks of the true similarity, per user: U."""
        if self.name == "euclidean":
            return -user_UD.square().sum(-1)
        return user_UD.new_zeros(user_UD.shape[0])


def _unit(vector: Tensor) -> Tensor:
    return functional.normalize(vector, dim=-1)
