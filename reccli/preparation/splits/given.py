"""Parts that the user gives, as files or as a column; they stay as they are."""

from __future__ import annotations

import numpy as np

from reccli.errors import ConfigError, DataError
from reccli.preparation.splits.rows import TEST, TRAIN, VALID, Parts, SplitRows, part_counts

__all__ = ["part_of", "validation_from_train"]

NAMES = {
    "train": TRAIN,
    "training": TRAIN,
    "valid": VALID,
    "validation": VALID,
    "val": VALID,
    "dev": VALID,
    "test": TEST,
    "testing": TEST,
}


def part_of(name: str, column: str) -> int:
    """Give the part that a name in the file stands for.

    Raises:
        DataError: It stands for none.
    """
    try:
        return NAMES[name.strip().lower()]
    except KeyError:
        raise DataError(
            f"column '{column}' has the part {name!r}; known are {', '.join(sorted(NAMES))}",
            hint="rename the parts, or name another --split-column",
        ) from None


def validation_from_train(rows: SplitRows, part_E: Parts, share: float) -> Parts:
    """Make a validation part from a share of each user's training rows: the newest, or a random share without time.

    Raises:
        ConfigError: There is a validation part already.
    """
    if (part_E == VALID).any():
        raise ConfigError("--valid-from-train is for data without a validation part, and one is given")
    train = np.flatnonzero(part_E == TRAIN)
    seen = SplitRows(
        rows.user_E[train],
        rows.item_E[train],
        None if rows.time_E is None else rows.time_E[train],
        rows.user_digest_U,
        rows.item_digest_I,
        rows.seed,
    )
    place_E = seen.drawn_place_E("valid-from-train") if seen.time_E is None else seen.place_E
    first_U = seen.length_U - part_counts(seen.length_U, share)
    part_E = part_E.copy()
    part_E[train[place_E >= first_U[seen.user_E]]] = VALID
    return part_E
