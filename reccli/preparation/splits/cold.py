"""Splits that keep whole items or whole users out of training: `cold-item` and `cold-user`."""

from __future__ import annotations

import numpy as np

from reccli.preparation.draws import UInt64, pair_draws
from reccli.preparation.splits.rows import HISTORY, TEST, TRAIN, VALID, Parts, SplitRows, part_counts

__all__ = ["KNOWN_SHARE", "cold_item", "cold_user"]

KNOWN_SHARE = 0.8
"""Share of a cold user's rows, the oldest, that is known when lists are made for them."""


def cold_item(rows: SplitRows, ratios: tuple[float, float, float]) -> Parts:
    """Give a share of the items, drawn at random, with all their rows to test, another to validation."""
    part_I = _draw(rows.item_digest_I, np.unique(rows.item_E), rows.seed, "split cold-item", ratios)
    return part_I[rows.item_E]


def cold_user(rows: SplitRows, ratios: tuple[float, float, float]) -> Parts:
    """Give a share of the users, drawn at random, to test and to validation; training sees none of their rows.

    Somebody new is served from what they did so far. So the oldest 80 % of a cold user's rows (a random 80 % where
    there is no time) are the part `history`, which is known when their list is made and which nothing trains on; the
    rest is to be predicted. A cold user with one row has no history.
    """
    part_U = _draw(rows.user_digest_U, np.flatnonzero(rows.length_U), rows.seed, "split cold-user", ratios)
    part_E = part_U[rows.user_E]
    place_E = rows.drawn_place_E("split cold-user history") if rows.time_E is None else rows.place_E
    known_U = rows.length_U - part_counts(rows.length_U, 1 - KNOWN_SHARE, least=1)
    part_E[(part_E != TRAIN) & (place_E < known_U[rows.user_E])] = HISTORY
    return part_E


def _draw(
    digest: UInt64,
    present: np.ndarray[tuple[int], np.dtype[np.int64]] | np.ndarray[tuple[int], np.dtype[np.uint32]],
    seed: int,
    purpose: str,
    ratios: tuple[float, float, float],
) -> Parts:
    """Draw a part for every code that is present."""
    order = present[np.argsort(pair_draws(digest[present], None, seed, purpose), kind="stable")]
    total = np.array([len(present)])
    test, valid = int(part_counts(total, ratios[2])[0]), int(part_counts(total, ratios[1])[0])
    part = np.full(len(digest), TRAIN, np.uint8)
    part[order[:test]] = TEST
    part[order[test : test + valid]] = VALID
    return part
