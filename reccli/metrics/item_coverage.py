"""Share of the catalogue that is shown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reccli.api import CatalogueMetric

__all__ = ["ItemCoverage"]


class ItemCoverage(CatalogueMetric):
    r"""Share of the catalogue that appears in at least one user's first k.

    .. math:: \text{item-coverage@}k = \frac{|\bigcup_u \{i_{u1}, \ldots, i_{uk}\}|}{I}

    with i = `item_UK`, I = the length of `train_count_I`.

    Args:
        settings: None.

    Shapes:
        item_UK (U, >= k), train_count_I (I,) -> a number in [0, 1].

    Notes:
        The catalogue is all I items, those without training interactions and those barred from the lists included. It
        grows with the number of users: compare runs over the same users only. Missing ranks (-1) count for nothing.
        NaN for an empty catalogue.

    Paper:
        Ge, Delgado-Battenfeld, Jannach: Beyond accuracy, RecSys 2010, https://doi.org/10.1145/1864708.1864761

    Pairs well with:
        `gini`, which sees how evenly the shown items share the slots.

    Example:
        >>> ItemCoverage().value(np.array([[0, 1], [0, -1]]), np.array([5, 3, 2, 0]), 6, 2)
        0.5
    """

    def value(
        self,
        item_UK: npt.NDArray[np.int64],
        train_count_I: npt.NDArray[np.int64],
        n_train_users: int,
        k: int,
    ) -> float:
        """Return the share of items shown at least once."""
        if not len(train_count_I):
            return float("nan")
        shown_E = item_UK[:, :k].ravel()
        shown_I = np.bincount(shown_E[shown_E >= 0], minlength=len(train_count_I))
        return float(np.count_nonzero(shown_I) / len(train_count_I))
