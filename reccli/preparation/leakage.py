"""What one part gives away about another: the report that every split is judged by.

Checks (`part` is looked at for what `against` would give away or miss):

* `repeated pairs`: rows of `part` whose user and item are also a row of `against`.
* `later for the user`: rows of `part` that are later than the same user's first row in `against`.
* `later for anyone`: rows of `part` that are later than the first row of `against`.
* `users not in`, `items not in`: users and items of `part` that `against` never shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reccli.preparation.splits.rows import PARTS, TEST, TRAIN, VALID, Parts, SplitRows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["hides_the_future", "leakage_report", "summary"]

Row = tuple[str, str, str, int, float]
Counted = tuple[int, float]


@dataclass(frozen=True)
class _Part:
    """One part: its rows, which users and items they show, and each user's first and last time."""

    user: npt.NDArray[np.uint32]
    item: npt.NDArray[np.uint32]
    time: npt.NDArray[np.int64]
    users: npt.NDArray[np.bool_]
    items: npt.NDArray[np.bool_]
    first_U: npt.NDArray[np.int64]
    last_U: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.user)


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
    at = {code: _part(rows, part_E, code) for code in (TRAIN, VALID, TEST)}
    for part, against in ((VALID, TRAIN), (TEST, TRAIN), (TEST, VALID)):
        if len(at[part]) and len(at[against]):
            names = (PARTS[part], PARTS[against])
            found += [(what, *names, *counted) for what, counted in _absent(at[part], at[against])]
            found.append(("repeated pairs", *names, *_repeated(at[part], at[against], repeats)))
    for part, against in ((TRAIN, VALID), (TRAIN, TEST), (VALID, TEST)):
        if rows.time_E is not None and len(at[part]) and len(at[against]):
            names = (PARTS[part], PARTS[against])
            later = _later(at[part], at[against], comparable_times)
            found += [(what, *names, *counted) for what, counted in later]
    found.sort(key=lambda row: row[0])
    types = {"check": pl.String, "part": pl.String, "against": pl.String, "count": pl.UInt64, "share": pl.Float64}
    return pl.DataFrame(found, schema=types, orient="row")


def summary(report: pl.DataFrame) -> list[str]:
    """Say in a few phrases what leaks: nothing, or each kind of leak with its size.

    Users and items that are in one part only are no leak and are not counted here. Of times, the strongest finding
    about train and test (or validation, where there is no test) is named: rows later than the same user's, else than
    anybody's; the latter is inherent in every split that is not by global time. The report has it all.
    """
    import polars as pl

    found = report.filter(pl.col("count") > 0)
    pairs = found.filter(pl.col("check") == "repeated pairs")
    phrases = [f"{row['count']:,} {row['part']} rows repeat a pair of {row['against']}" for row in pairs.to_dicts()]
    later = found.filter(pl.col("check").str.starts_with("later"), pl.col("part") == "train")
    later = later.filter(pl.col("against") == ("test" if "test" in later["against"] else "valid"))
    within = later.filter(pl.col("check") == "later for the user").to_dicts()
    across = later.filter(pl.col("check") == "later for anyone").to_dicts()
    for row in within:
        phrases.append(f"{row['share']:.0%} of train rows are later than their user's first {row['against']} row")
    if not phrases:
        phrases.append("no leakage within users" if across else "no leakage found")
    if not within:
        phrases += [
            f"across users {row['share']:.0%} of train rows are later than the first {row['against']} row "
            "(--split global-time avoids it)"
            for row in across
        ]
    return phrases


def hides_the_future(report: pl.DataFrame) -> bool:
    """Return whether no row of train is later than its user's first one in validation or test, of those there are."""
    import polars as pl

    later = report.filter(pl.col("check") == "later for the user", pl.col("part") == "train")
    return bool(len(later)) and not later["count"].sum()


def _part(rows: SplitRows, part_E: Parts, code: int) -> _Part:
    mine = part_E == code
    user, item = rows.user_E[mine], rows.item_E[mine]
    users, items = np.zeros(len(rows.user_digest_U), np.bool_), np.zeros(len(rows.item_digest_I), np.bool_)
    users[user], items[item] = True, True
    least, greatest = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    first_U, last_U = np.full(len(users), greatest), np.full(len(users), least)
    time = np.zeros(0, np.int64)
    if rows.time_E is not None:
        time = rows.time_E[mine]
        last_U[user] = time  # rows are sorted, and of several assignments the last one stays
        first_U[user[::-1]] = time[::-1]
    return _Part(user, item, time, users, items, first_U, last_U)


def _absent(part: _Part, against: _Part) -> Iterator[tuple[str, Counted]]:
    for what, here, there in (
        ("users not in", part.users, against.users),
        ("items not in", part.items, against.items),
    ):
        count = int((here & ~there).sum())
        yield what, (count, count / int(here.sum()))


def _repeated(part: _Part, against: _Part, repeats: bool) -> Counted:
    count = 0
    if repeats:
        here, there = ((half.user.astype(np.uint64) << np.uint64(32)) | half.item for half in (part, against))
        count = int(np.isin(here, there).sum())
    return count, count / len(part)


def _later(part: _Part, against: _Part, comparable: bool) -> Iterator[tuple[str, Counted]]:
    count = 0
    if (part.last_U > against.first_U).any():
        count = int(np.count_nonzero(part.time > against.first_U[part.user]))
    yield "later for the user", (count, count / len(part))
    if comparable:
        count = int(np.count_nonzero(part.time > against.first_U.min()))
        yield "later for anyone", (count, count / len(part))
