"""Telling train, validation and test apart; one function per split, all over rows sorted by user, time and item."""

from reccli.preparation.splits.cold import cold_item, cold_user
from reccli.preparation.splits.given import part_of, validation_from_train
from reccli.preparation.splits.global_time import cut_points, global_time
from reccli.preparation.splits.per_user import leave_one_out, random, temporal
from reccli.preparation.splits.rows import HISTORY, PARTS, TEST, TRAIN, VALID, Parts, SplitRows, shares

__all__ = [
    "HISTORY",
    "PARTS",
    "TEST",
    "TRAIN",
    "VALID",
    "Parts",
    "SplitRows",
    "cold_item",
    "cold_user",
    "cut_points",
    "global_time",
    "leave_one_out",
    "part_of",
    "random",
    "shares",
    "temporal",
    "validation_from_train",
]
