"""Mean self-information of what is shown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reccli.api import CatalogueMetric

__all__ = ["Novelty"]


class Novelty(CatalogueMetric):
    r"""How surprising the shown items are: mean self-information of their popularity, in bits.

    .. math:: \text{novelty@}k = \frac{1}{|S|}
        \sum_{(u, r) \in S} -\log_2 \min\!\Big(1, \frac{\max(c_{i_{ur}}, 1)}{n}\Big)

    with S the filled slots of the first k of `item_UK`, i = `item_UK`, c = `train_count_I`, n = `n_train_users`.

    Args:
        settings: None.

    Shapes:
        item_UK (U, >= k), train_count_I (I,) -> a number in [0, log2(n)].

    Notes:
        Every filled slot weighs the same. An item that nobody met counts as if one user had (its own self-information
        would be infinite); one met more often than there are users (repeated pairs) counts as met by all. Higher is
        less popular, which random lists win: read it next to `ndcg`. NaN where nothing is shown or nobody trained.

    Paper:
        Zhou et al.: Solving the apparent diversity-accuracy dilemma of recommender systems, PNAS 2010,
        https://doi.org/10.1073/pnas.1000488107

    Pairs well with:
        `item-coverage`.

    Example:
        >>> Novelty().value(np.array([[0, 1]]), np.array([4, 1]), 4, 2)
        1.0
    """

    def value(
        self,
        item_UK: npt.NDArray[np.int64],
        train_count_I: npt.NDArray[np.int64],
        n_train_users: int,
        k: int,
    ) -> float:
        """Return the mean self-information of the filled slots."""
        shown_E = item_UK[:, :k].ravel()
        shown_E = shown_E[shown_E >= 0]
        if not len(shown_E) or not n_train_users:
            return float("nan")
        share_I = np.clip(np.maximum(train_count_I, 1) / n_train_users, None, 1.0)
        # Adding 0 turns the -0.0 of an item that all users met into 0.0.
        return float(np.mean(-np.log2(share_I)[shown_E]) + 0.0)
