"""A world in which what came last tells what comes next, and what came before it tells nothing."""

from __future__ import annotations

import numpy as np

from reccli.api import Histories, TrainingData

__all__ = ["ring_walks"]


def ring_walks(*, ordered: bool) -> TrainingData:
    """Eight old items at random, then four steps along a ring of 60 items; 300 users."""
    draw = np.random.default_rng(0)
    start_U, old_U8 = draw.integers(60, size=300), draw.integers(60, size=(300, 8))
    item_UL = np.concatenate([old_U8, (start_U[:, None] + np.arange(4)) % 60], axis=1)
    user_E, item_E = np.repeat(np.arange(300), 12), item_UL.ravel()
    rows = Histories.from_arrays(user_E, item_E, n_users=300, n_items=60, time_E=np.arange(len(item_E)))
    return TrainingData(rows, ordered=ordered)
