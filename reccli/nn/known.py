"""Which (user, item) pairs are known positives, answered for whole batches at once.

U users, I items, E interactions, B rows, N negatives, G distinct users of a batch, X distinct items, H interactions of
the batch's users.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reccli.api.data import Histories
from reccli.nn.pooling import ragged
from reccli.nn.rooms import roomy

__all__ = ["KnownPositives"]


class KnownPositives(nn.Module):
    """The training histories on the device, for masks of false negatives.

    Args:
        histories: All known positives.
    """

    offset_U1: Tensor
    item_E: Tensor
    key_E: Tensor | None

    def __init__(self, histories: Histories) -> None:
        super().__init__()
        self.n_items = histories.n_items
        self.register_buffer("offset_U1", torch.from_numpy(histories.offset_U1), persistent=False)
        self.register_buffer("item_E", torch.from_numpy(histories.item_E), persistent=False)
        self.register_buffer("key_E", None, persistent=False)

    def shared(self, user_B: Tensor, item_N: Tensor) -> Tensor:
        """Return BN, true where an item that all rows share is a known positive of the row's user."""
        code_X, place_N = torch.unique(item_N, return_inverse=True)
        column_I = torch.full((self.n_items,), -1, dtype=torch.int64, device=item_N.device)
        column_I[code_X] = torch.arange(len(code_X), device=item_N.device)
        user_G, group_B = torch.unique(user_B, return_inverse=True)
        known_GX = self._scatter(user_G, column_I, len(code_X))
        if not torch.equal(code_X, item_N):
            known_GX = known_GX.index_select(1, place_N)
        return known_GX if torch.equal(user_G, user_B) else known_GX[group_B]

    def table(self, user_B: Tensor, item_B: Tensor) -> Tensor:
        """Return BI, true where a catalogue item is a known positive of the row's user, other than the row's own."""
        column_I = torch.arange(self.n_items, device=user_B.device)
        user_G, group_B = torch.unique(user_B, return_inverse=True)
        known_BI = self._scatter(user_G, column_I, self.n_items)[group_B]
        return known_BI.scatter_(1, item_B[:, None], False)

    def own(self, user_B: Tensor, item_BN: Tensor) -> Tensor:
        """Return BN, true where a row's own draw is a known positive of its user."""
        if not len(self.item_E):
            return torch.zeros_like(item_BN, dtype=torch.bool)
        key_E = self._keys()
        key_BN = user_B[:, None] * self.n_items + item_BN
        place_BN = torch.searchsorted(key_E, key_BN).clamp_max(len(key_E) - 1)
        return key_E[place_BN] == key_BN

    def _keys(self) -> Tensor:
        """Return user and item of each interaction as one number, in order, E; made when first asked for."""
        if self.key_E is None:
            user_U = torch.arange(len(self.offset_U1) - 1, device=self.item_E.device)
            user_E = torch.repeat_interleave(user_U, self.offset_U1.diff())
            self.key_E = (user_E * max(self.n_items, 1) + self.item_E).sort().values
        return self.key_E

    def _scatter(self, user_G: Tensor, column_I: Tensor, width: int) -> Tensor:
        start_G = self.offset_U1[user_G]
        length_G = self.offset_U1[user_G + 1] - start_G
        index_H, _ = ragged(start_G, length_G)
        row_H = torch.repeat_interleave(torch.arange(len(user_G), device=user_G.device), length_G)
        column_H = column_I[self.item_E[index_H]]
        inside_H = column_H >= 0
        known_GX = roomy(len(user_G), width, dtype=torch.bool, device=user_G.device).zero_()
        known_GX[row_H[inside_H], column_H[inside_H]] = True
        return known_GX
