"""Gini index of exposure."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from reccli.api import CatalogueMetric

__all__ = ["Gini"]


class Gini(CatalogueMetric):
    r"""How unevenly the items share the slots: 0 when all are shown equally often, near 1 when one has them all.

    .. math:: \text{gini@}k = \frac{\sum_{j=1}^{I} (2 j - I - 1) \, c_{(j)}}{I \sum_{j=1}^{I} c_{(j)}}

    with c the number of times each item is shown in the first k of `item_UK`, ascending, I = the length of
    `train_count_I`.

    Args:
        settings: None.

    Shapes:
        item_UK (U, >= k), train_count_I (I,) -> a number in [0, 1 - 1 / I].

    Notes:
        Items that are never shown are in the sum with c = 0. Not stretched by I / (I - 1), as some tools do. Lower is
        more even. Missing ranks (-1) count for nothing. NaN where nothing is shown.

    Paper:
        Fleder, Hosanagar: Blockbuster culture's next rise or fall, Management Science 2009,
        https://doi.org/10.1287/mnsc.1080.0974

    Pairs well with:
        `item-coverage`.

    Example:
        >>> round(Gini().value(np.array([[0], [0], [1]]), np.array([5, 3, 2]), 6, 1), 4)
        0.4444
    """

    higher_is_better: ClassVar[bool | None] = False

    def value(
        self,
        item_UK: npt.NDArray[np.int64],
        train_count_I: npt.NDArray[np.int64],
        n_train_users: int,
        k: int,
    ) -> float:
        """Return the Gini index of the items' exposure."""
        shown_E = item_UK[:, :k].ravel()
        shown_E = shown_E[shown_E >= 0]
        if not len(shown_E):
            return float("nan")
        n_items = len(train_count_I)
        ascending_I = np.sort(np.bincount(shown_E, minlength=n_items)).astype(np.float64)
        weight_I = 2.0 * np.arange(1, n_items + 1) - n_items - 1
        return float(weight_I @ ascending_I / (n_items * ascending_I.sum()))
