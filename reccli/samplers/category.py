"""Negatives of the positive's own category. B batch rows, N negatives of a row, I items, C categories, S items seen.

M memberships of an item in a category.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from reccli.api import ComponentSettings, Context, Negatives, Range, Sampler, TrainingData
from reccli.errors import ConfigError, DataError, one_of
from reccli.nn.text_categories import categories_of, nothing_shared

__all__ = ["Category"]

FEW = 0.5
"""Below this share of items with company, what is drawn is more from all items than from categories."""
USUAL = ("category", "categories", "genre", "genres", "class", "type", "department", "brand")


class Category(Sampler):
    """Draw hard negatives from among the items that share a category with the positive, and some from all items.

    ::

        own_b    round(share * count) items, each of a random category of the row's positive, evenly drawn from it,
                 and count - round(share * count) items evenly drawn from all

    Args:
        settings.attribute: Attribute of items that names their categories, as `genres`.
        settings.separator: What stands between the categories of one item.
        settings.count: Negatives of each row; 1 to 64.
        settings.share: Share of them from the positive's categories; 0.25 to 1.

    Shapes:
        item_B -> own_BN with N = count.

    Raises:
        ConfigError: The items have no such attribute, or none and it is not said which; or no two of them share a
            category, as with another separator than the data's.
        DataError: There are no training interactions.

    Notes:
        Only items with training interactions are drawn. An item without a category, or alone in it, gets draws from all
        items, and where that is so for more than half of them, it is said. The positive itself, and others that the
        user knows, are masked by the training model. There are no proposal probabilities, so a loss cannot correct for
        them.

    Paper:
        Hard negatives of the same kind: Ying, He, Chen, Eksombatchai, Hamilton, Leskovec: PinSage, KDD 2018,
        https://arxiv.org/abs/1806.01973, section 3.3 (there by random walks, not by category).

    Pairs well with:
        `bpr`, `triplet`, `warp`; `infonce` with few negatives.

    Example:
        >>> from reccli.api import Histories
        >>> train = Histories.from_arrays([0, 0, 1], [0, 1, 2], n_users=2, n_items=3)
        >>> data = TrainingData(train, item_attributes={"genres": ["war|drama", "comedy", "drama"]})
        >>> sampler = Category(Category.Settings(count=1, share=1.0))
        >>> sampler.setup(data, Context())
        >>> row = torch.tensor([2])
        >>> sampler.sample(row, row, torch.Generator().manual_seed(0)).own_BN
        tensor([[0]])
    """

    gives_log_q = False

    class Settings(ComponentSettings):
        """Settings of `category`."""

        attribute: str | None = None
        """Attribute of items that names their categories; without one, that with a usual name (genres, category)."""
        separator: str = Field(default="|", min_length=1)
        """What stands between the categories of one item."""
        count: int = Field(default=16, ge=1)
        """Negatives of each row."""
        share: Annotated[float, Range(0.0, 1.0)] = Field(default=0.5, ge=0, le=1)
        """Share of them from the categories of the row's positive; the others come from all items."""

    def setup(self, data: TrainingData, context: Context) -> None:
        """Build both ways between items and categories."""
        seen_I = data.item_count_I() > 0
        if not seen_I.any():
            raise DataError("there are no training interactions to draw negatives from")
        attribute = self._attribute(data)
        values = data.item_attributes[attribute]
        codes: dict[str, int] = {}
        pairs = {
            (item, codes.setdefault(name, len(codes)))
            for item, value in enumerate(values)
            for name in categories_of(value, self.settings.separator)
        }
        pair_M2 = np.array(sorted(pairs), np.int64).reshape(-1, 2)
        pair_M2 = pair_M2[seen_I[pair_M2[:, 0]]]
        size_C = np.bincount(pair_M2[:, 1], minlength=len(codes))
        pair_M2 = pair_M2[size_C[pair_M2[:, 1]] > 1]  # alone in a category there is nothing to be told apart from
        if round(self.settings.share * self.settings.count):
            self._check(attribute, values, len(np.unique(pair_M2[:, 0])), int(seen_I.sum()), context)
        by_category_M2 = pair_M2[np.lexsort((pair_M2[:, 0], pair_M2[:, 1]))]
        self._seen_S = torch.from_numpy(np.flatnonzero(seen_I))
        self._category_M = torch.from_numpy(pair_M2[:, 1].copy())
        self._begin_I1 = torch.from_numpy(np.searchsorted(pair_M2[:, 0], np.arange(data.n_items + 1)))
        self._item_M = torch.from_numpy(by_category_M2[:, 0].copy())
        self._begin_C1 = torch.from_numpy(np.searchsorted(by_category_M2[:, 1], np.arange(len(codes) + 1)))

    def sample(self, user_B: Tensor, item_B: Tensor, generator: torch.Generator) -> Negatives:
        """Draw the negatives of the positives' categories, and behind them those of all items."""
        near = round(self.settings.share * self.settings.count)
        shape = (len(item_B), self.settings.count)
        code_BN = self._seen_S[torch.randint(len(self._seen_S), shape, generator=generator)]
        if near:
            kind_BN, has_BN = _pick(self._begin_I1, item_B.cpu().unsqueeze(1).expand(-1, near), generator)
            category_BN = self._category_M[kind_BN.clamp_max(len(self._category_M) - 1)]
            place_BN, _ = _pick(self._begin_C1, category_BN, generator)
            code_BN[:, :near] = torch.where(has_BN, self._item_M[place_BN], code_BN[:, :near])
        return Negatives(own_BN=code_BN.to(item_B.device))

    def _attribute(self, data: TrainingData) -> str:
        given, there = self.settings.attribute, data.item_attributes
        if given is not None:
            if given not in there:
                raise one_of("attribute of items", given, there)
            return str(given)
        found: str | None = next((name for name in USUAL if name in there), None)
        if found is None:
            listing = ", ".join(there) or "none"
            raise ConfigError(
                f"sampler category: no attribute of items has a usual name of categories (attributes: {listing})",
                hint="--set sampler.attribute=NAME, or reccli prepare RATINGS --items FILE with such a column",
            )
        return found

    def _check(self, attribute: str, values: Sequence[object], accompanied: int, seen: int, context: Context) -> None:
        """Refuse categories that no two items share, and warn where few do."""
        if not accompanied:
            raise nothing_shared("sampler", attribute, values, self.settings.separator)
        if accompanied < FEW * seen:
            context.warn(
                f"sampler category: {accompanied:,} of {seen:,} items share a part of '{attribute}' with another;"
                " negatives of the others are drawn from all items"
            )


def _pick(begin_R1: Tensor, row_BN: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return an even draw among the places of each row, and whether it has any: CSR rows, BN -> BN."""
    begin_BN = begin_R1[row_BN]
    size_BN = begin_R1[row_BN + 1] - begin_BN
    draw_BN = torch.rand(row_BN.shape, generator=generator, dtype=torch.float64)
    return begin_BN + (draw_BN * size_BN).long(), size_BN > 0
