"""Which negatives of a batch are known positives. B batch rows, N negatives, G distinct users, I items."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reccli.api.batch import Batch
from reccli.api.data import TrainingData
from reccli.nn.known import KnownPositives
from reccli.nn.twins import twins, with_twins
from reccli.training.passes import pick_rows

__all__ = ["Masks", "one_row_each"]


class Masks(nn.Module):
    """Masks of accidental hits, for every form in which negatives come.

    Args:
        data: Training data.
        table: Whether a loss wants a mask over the whole catalogue.
        negatives: Whether one wants a mask over what a sampler drew.
        mask_twins: Whether items with the text of a known positive are masked as well.
    """

    def __init__(self, data: TrainingData, *, table: bool, negatives: bool, mask_twins: bool) -> None:
        super().__init__()
        self.table, self.negatives = table, negatives
        train = data.train
        if mask_twins:
            train = with_twins(train, twins(data.item_text_I, data.n_items))
        self.known = KnownPositives(train)

    def of_rows(self, batch: Batch) -> dict[str, Tensor]:
        """Return masks per row by their name in `LossInputs`; a table's leaves the row's own positive out."""
        found = {}
        if self.table:
            found["known_BI"] = self.known.table(batch.user_B, batch.item_B)
        known_BN = self._drawn(batch)
        if known_BN is not None:
            found["known_BN"] = known_BN
        return found

    def of_groups(self, batch: Batch, place_B: Tensor) -> dict[str, Tensor | None]:
        """Return masks per distinct user by their name in `UserGroups`.

        A table's leaves out all positives that the batch itself holds. It is `known_GN` where nothing is drawn.
        """
        one = one_row_each(batch, place_B)
        if not self.table:
            return {"known_GN": self._drawn(one)}
        known_GI = self.known.table(one.user_B, one.item_B)
        known_GI[place_B, batch.item_B] = False
        if not self.negatives:
            return {"known_GN": known_GI}
        return {"known_GN": self._drawn(one), "known_GI": known_GI}

    def _drawn(self, batch: Batch) -> Tensor | None:
        negatives = batch.negatives
        if not self.negatives:
            return None
        if negatives.shared_N is not None:
            return self.known.shared(batch.user_B, negatives.shared_N)
        return None if negatives.own_BN is None else self.known.own(batch.user_B, negatives.own_BN)


def one_row_each(batch: Batch, place_B: Tensor) -> Batch:
    """Return one row of each distinct user, in the order of their places."""
    row_G = torch.zeros(int(place_B.max()) + 1, dtype=torch.int64, device=place_B.device)
    row_G[place_B] = torch.arange(len(place_B), device=place_B.device)
    return pick_rows(batch, row_G)
