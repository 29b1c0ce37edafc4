"""What one part gives away about another: the report that every split is judged by.

Checks (`part` is looked at for what `against` would give away or miss):

* `repeated pairs`: rows of `part` whose user and item are also a row of `against`.
* `later for the user`: rows of `part` that are later than the same user's first row in `against`.
* `later for anyone`: rows of `part` that are later than the first row of `against`.
* `users not in`, `items not in`: users and items of `part` that `against` never shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reccli.preparation.splits.rows import PARTS, TEST, TRAIN, VALID, Parts, SplitRows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["leakage_report", "summary"]

Row = tuple[str, str, str, int, float]
PAIRS = ((VALID, TRAIN), (TEST, TRAIN), (TEST, VALID))


def leakage_report(rows: SplitRows, part_E: Parts, *, repeats: bool, comparable_times: bool) -> pl.DataFrame:
    """Build the `leakage` artifact.

    Args:
        rows: All kept rows, sorted by user, time and item.
        part_E: Part code of each row.
        repeats: Whether some pair of user and item occurs more than once.
        comparable_times: Whether times of different users can be compared (not so for positions).
    """
    import polars as pl

    found: list[Row] = []
    at = {part: np.flatnonzero(part_E == part) for part in range(len(PARTS))}
    for part, against in PAIRS:
        if len(at[part]) and len(at[against]):
            found += _absent(rows, at, part, against)
            found.append(_repeated(rows, at, part, against, repeats))
    for part, against in ((TRAIN, VALID), (TRAIN, TEST), (VALID, TEST)):
        if rows.time_E is not None and len(at[part]) and len(at[against]):
            found += _later(rows, rows.time_E, at, part, against, comparable_times)
    found.sort(key=lambda row: row[0])
    types = {"check": pl.String, "part": pl.String, "against": pl.String, "count": pl.UInt64, "share": pl.Float64}
    return pl.DataFrame(found, schema=types, orient="row")


def summary(report: pl.DataFrame) -> list[str]:
    """Say in a few phrases what leaks: nothing, or each kind of leak with its size.

    Users and items that are in one part only are no leak and are not counted here. Training rows later than another
    user's test rows are inherent in splits that are not by global time; they are named last.
    """
    import polars as pl

    phrases = []
    for check, text in (
        ("repeated pairs", "{count:,} {part} rows repeat a pair of {against}"),
        ("later for the user", "{count:,} {part} rows ({share:.0%}) are later than their user's first {against} row"),
    ):
        hits = report.filter((pl.col("check") == check) & (pl.col("count") > 0))
        phrases += [text.format(**row) for row in hits.iter_rows(named=True)]
    across = report.filter((pl.col("check") == "later for anyone") & (pl.col("count") > 0))
    if not phrases:
        phrases.append("no leakage within users" if across.height else "no leakage found")
    for row in across.filter((pl.col("part") == "train") & (pl.col("against") == "test")).iter_rows(named=True):
        later = "across users {share:.0%} of train rows are later than the first test row"
        phrases.append(later.format(**row) + " (--split global-time avoids it)")
    return phrases


def _absent(rows: SplitRows, at: dict[int, npt.NDArray[np.int64]], part: int, against: int) -> Iterator[Row]:
    for what, code_E, size in (
        ("users not in", rows.user_E, len(rows.user_digest_U)),
        ("items not in", rows.item_E, len(rows.item_digest_I)),
    ):
        here = np.bincount(code_E[at[part]], minlength=size) > 0
        there = np.bincount(code_E[at[against]], minlength=size) > 0
        count = int((here & ~there).sum())
        yield what, PARTS[part], PARTS[against], count, count / int(here.sum())


def _repeated(rows: SplitRows, at: dict[int, npt.NDArray[np.int64]], part: int, against: int, repeats: bool) -> Row:
    count = 0
    if repeats:
        pair = rows.user_E.astype(np.uint64) << np.uint64(32) | rows.item_E
        count = int(np.isin(pair[at[part]], pair[at[against]]).sum())
    return "repeated pairs", PARTS[part], PARTS[against], count, count / len(at[part])


def _later(
    rows: SplitRows,
    time_E: npt.NDArray[np.int64],
    at: dict[int, npt.NDArray[np.int64]],
    part: int,
    against: int,
    comparable: bool,
) -> Iterator[Row]:
    owner, first = np.unique(rows.user_E[at[against]], return_index=True)  # rows are sorted: the first is the earliest
    begin_U = np.full(len(rows.user_digest_U), np.iinfo(np.int64).max)
    begin_U[owner] = time_E[at[against]][first]
    time, user = time_E[at[part]], rows.user_E[at[part]]
    count = int((time > begin_U[user]).sum())
    yield "later for the user", PARTS[part], PARTS[against], count, count / len(at[part])
    if comparable:
        count = int((time > begin_U[owner].min()).sum())
        yield "later for anyone", PARTS[part], PARTS[against], count, count / len(at[part])
