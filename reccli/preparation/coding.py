"""Ids as dense codes in the order of the sorted ids, so that no code depends on the order of rows or on threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import polars as pl

__all__ = ["LONGEST_ID", "bad_ids", "compact", "rank_codes", "same_after_normalisation"]

UInt32 = npt.NDArray[np.uint32]
LONGEST_ID = 1024
"""Bytes; a longer id is a sign of a wrong delimiter or quote."""


def rank_codes(column: pl.Series, present: pl.Series | None = None) -> tuple[UInt32, pl.Series]:
    """Replace a categorical column by codes in the order of its sorted distinct strings.

    Only the distinct strings are compared; the rows are a table look-up.

    Args:
        column: Categorical, without nulls.
        present: Its distinct values in any order, if they are known already.

    Returns:
        One code per row, and the distinct strings in code order.
    """
    import polars as pl

    present = column.unique() if present is None else present
    names = present.cast(pl.String)
    order = names.arg_sort()
    place = present.to_physical().to_numpy()[order.to_numpy()]
    rank = np.zeros(int(place.max()) + 1 if len(place) else 0, np.uint32)
    rank[place] = np.arange(len(place), dtype=np.uint32)
    return rank[column.to_physical().to_numpy()], names.gather(order).rename(column.name)


def compact(code_E: UInt32, size: int) -> tuple[UInt32, npt.NDArray[np.int64]]:
    """Close the gaps that dropped rows left in codes 0 to size - 1; their order stays.

    Returns:
        New codes, and the old code of each new one.
    """
    kept = np.flatnonzero(np.bincount(code_E, minlength=size))
    if len(kept) == size:
        return code_E, kept
    new = np.zeros(size, np.uint32)
    new[kept] = np.arange(len(kept), dtype=np.uint32)
    return new[code_E], kept


def bad_ids(names: pl.Series) -> list[tuple[str, pl.Series]]:
    """Find distinct ids that cannot be ids: blank, too long, or with a NUL character.

    Returns:
        Reason and mask, one pair per reason.
    """
    blank = names.str.strip_chars().str.len_bytes() == 0
    long = names.str.len_bytes() > LONGEST_ID
    nul = names.str.contains("\0", literal=True)
    return [("blank", blank), (f"longer than {LONGEST_ID:,} bytes", long), ("with a NUL character", nul & ~long)]


def same_after_normalisation(names: pl.Series) -> int:
    """Count ids that look like another id because they differ only in Unicode normalisation (they stay distinct)."""
    wide = names.filter(names.str.len_bytes() != names.str.len_chars())
    return len(wide) - wide.str.normalize("NFC").n_unique() if len(wide) else 0
