"""The leakage report, against counting by loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reccli.preparation.leakage import hides_the_future, leakage_report, summary
from reccli.preparation.splits.rows import PARTS, TEST, TRAIN, VALID, SplitRows
from reccli.schemas import check_frame

WORLD = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 6), st.sampled_from([TRAIN, VALID, TEST])),
    min_size=1,
    max_size=40,
)


def world(rows: list[tuple[int, int, int, int]]) -> tuple[SplitRows, np.ndarray]:
    rows = sorted(rows, key=lambda row: (row[0], row[2], row[1]))
    user, item, time, part = np.array(rows, np.int64).reshape(-1, 4).T
    digest = np.arange(6, dtype=np.uint64)
    split = SplitRows(user.astype(np.uint32), item.astype(np.uint32), time, digest, digest, 0)
    return split, part.astype(np.uint8)


def literal(rows: list[tuple[int, int, int, int]]) -> dict[tuple[str, str, str], int]:
    found = {}
    have = {part: [row for row in rows if row[3] == part] for part in range(3)}
    for part, against in ((VALID, TRAIN), (TEST, TRAIN), (TEST, VALID)):
        here, there = have[part], have[against]
        if here and there:
            pairs = {row[:2] for row in there}
            key = (PARTS[part], PARTS[against])
            found["repeated pairs", *key] = sum(row[:2] in pairs for row in here)
            found["users not in", *key] = len({row[0] for row in here} - {row[0] for row in there})
            found["items not in", *key] = len({row[1] for row in here} - {row[1] for row in there})
    for part, against in ((TRAIN, VALID), (TRAIN, TEST), (VALID, TEST)):
        here, there = have[part], have[against]
        if here and there:
            key = (PARTS[part], PARTS[against])
            found["later for anyone", *key] = sum(row[2] > min(other[2] for other in there) for row in here)
            found["later for the user", *key] = sum(
                any(other[0] == row[0] and other[2] < row[2] for other in there) for row in here
            )
    return found


@given(WORLD)
def test_counts_equal_loops(rows: list[tuple[int, int, int, int]]) -> None:
    split, part = world(rows)
    report = check_frame("leakage", leakage_report(split, part, repeats=True, comparable_times=True))
    assert {row[:3]: row[3] for row in report.rows()} == literal(rows)
    assert all(0 <= share <= 1 for share in report["share"])


def phrases(rows: list[tuple[int, int, int, int]], *, comparable: bool = True) -> list[str]:
    split, part = world(rows)
    return summary(leakage_report(split, part, repeats=True, comparable_times=comparable))


def test_nothing_found() -> None:
    assert phrases([(0, 0, 1, TRAIN), (0, 1, 2, VALID), (0, 2, 3, TEST)]) == ["no leakage found"]


def test_a_split_per_user_looks_across_users() -> None:
    rows = [(0, 0, 1, TRAIN), (0, 1, 5, TEST), (1, 0, 7, TRAIN), (1, 1, 9, TEST)]
    across = "across users 50% of train rows are later than the first test row (--split global-time avoids it)"
    assert phrases(rows) == ["no leakage within users", across]
    assert phrases(rows, comparable=False) == ["no leakage found"]


def test_leaks_are_named() -> None:
    rows = [(0, 0, 1, TRAIN), (0, 1, 5, TRAIN), (0, 2, 2, VALID), (0, 1, 3, TEST)]
    assert phrases(rows) == [
        "1 test rows repeat a pair of train",
        "50% of train rows are later than their user's first test row",
    ]
    assert phrases(rows[:3]) == ["50% of train rows are later than their user's first valid row"]


def test_without_time_only_pairs_and_absences_are_checked() -> None:
    split, part = world([(0, 0, 0, TRAIN), (0, 1, 0, TEST)])
    untimed = SplitRows(split.user_E, split.item_E, None, split.user_digest_U, split.item_digest_I, 0)
    report = leakage_report(untimed, part, repeats=False, comparable_times=False)
    assert set(report["check"]) == {"repeated pairs", "users not in", "items not in"}


@pytest.mark.parametrize("part", [TRAIN, TEST])
def test_one_part_alone_has_nothing_to_give_away(part: int) -> None:
    assert phrases([(0, 0, 0, part)]) == ["no leakage found"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(0, 0, 1, TRAIN), (0, 1, 2, TEST), (1, 0, 5, TRAIN), (1, 1, 6, TEST)], True),
        ([(0, 0, 1, TRAIN), (0, 1, 2, TEST), (1, 0, 7, TRAIN), (1, 1, 6, TEST)], False),
        ([(0, 0, 1, TRAIN), (0, 1, 3, VALID), (0, 2, 2, TEST)], True),  # train alone is learned from
        ([(0, 0, 3, TRAIN), (0, 1, 2, VALID), (0, 2, 4, TEST)], False),
        ([(0, 0, 1, TRAIN)], False),  # nothing is hidden
    ],
)
def test_a_hidden_future_is_seen(rows: list[tuple[int, int, int, int]], expected: bool) -> None:
    split, part = world(rows)
    report = leakage_report(split, part, repeats=True, comparable_times=False)
    assert hides_the_future(report) is expected
