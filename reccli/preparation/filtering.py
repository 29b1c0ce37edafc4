"""The filters that were asked for, in their fixed order: duplicates, least value, outlier users, k-core.

The order matters and is part of the promise: a user's last rating decides before the least value is asked for, and the
k-core comes last because every other filter could break it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reccli.errors import DataError
from reccli.preparation.duplicates import has_repeats, merge_repeats, repeated_rows
from reccli.preparation.kcore import core_mask
from reccli.preparation.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

__all__ = ["Filters", "apply_filters"]


@dataclass(frozen=True)
class Filters:
    """What to filter by.

    Args:
        duplicates: Policy for several rows of one user and item.
        min_rating: Least value, or None.
        max_interactions: Most rows of a user, or None.
        core: Least rows of a user and of an item.
    """

    duplicates: str = "last"
    min_rating: float | None = None
    max_interactions: int | None = None
    core: tuple[int, int] = (0, 0)


def apply_filters(
    frame: pl.DataFrame, filters: Filters, ledger: Ledger, *, describe: Callable[[int, int], str]
) -> tuple[pl.DataFrame, bool]:
    """Apply the filters and enter every dropped row in the ledger.

    Args:
        frame: Coded rows.
        filters: What to filter by.
        ledger: Takes the dropped rows.
        describe: Says for the message where two row numbers are (`--duplicates error`).

    Returns:
        The rows left, and whether pairs of user and item still repeat.

    Raises:
        DataError: There are duplicates and the policy is `error`.
    """
    repeats = has_repeats(frame)
    if repeats and filters.duplicates == "error":
        later, first = repeated_rows(frame)
        raise DataError(
            f"the same user and item twice: {describe(first, later)}",
            hint="choose what becomes of them: --duplicates last, first, mean, sum, max or keep",
        )
    if repeats and filters.duplicates != "keep":
        frame, gone = merge_repeats(frame, filters.duplicates)
        ledger.drop("duplicate", len(gone), first_row=_first(gone))
        repeats = False
    if filters.min_rating is not None:
        frame = _keep(frame, frame["value"].to_numpy() >= filters.min_rating, "value below the least", ledger)
    if filters.max_interactions is not None and frame.height:
        user = frame["user"].to_numpy()
        few = np.bincount(user)[user] <= filters.max_interactions
        frame = _keep(frame, few, "user with too many interactions", ledger)
    if max(filters.core) > 1:
        kept = core_mask(
            frame["user"].to_numpy(),
            frame["item"].to_numpy(),
            least_user=filters.core[0],
            least_item=filters.core[1],
        )
        frame = _keep(frame, kept, "outside the k-core", ledger)
    return frame, repeats


def _keep(frame: pl.DataFrame, mask: npt.NDArray[np.bool_], reason: str, ledger: Ledger) -> pl.DataFrame:
    import polars as pl

    if mask.all():
        return frame
    gone = frame["row"].filter(pl.Series(~mask))
    ledger.drop(reason, len(gone), first_row=_first(gone))
    return frame.filter(pl.Series(mask))


def _first(gone: pl.Series) -> int | None:
    return int(gone.min()) if len(gone) else None  # type: ignore[arg-type]
