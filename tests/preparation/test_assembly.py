"""From strings to interactions: the account of rows, duplicates, splits, weights, and independence of row order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reccli.api.reader import Table
from reccli.errors import ConfigError, DataError
from reccli.preparation.assembly import Interactions, assemble
from reccli.preparation.reading import Source
from reccli.schemas import check_frame
from reccli.settings import PrepareSettings

NAMES = ("user", "item", "value", "time", "event", "part")
Row = tuple[str | None, ...]


def source(
    rows: list[Row], *, roles: tuple[str, ...] = NAMES[:4], name: str = "r.csv", part: int | None = None
) -> Source:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(roles, pl.String), orient="row").lazy()
    table = Table(frame, Path(name), first_line=2)
    return Source(table, {role: role for role in roles}, part)


def made(rows: list[Row], *, roles: tuple[str, ...] = NAMES[:4], **settings: Any) -> Interactions:
    return assemble([source(rows, roles=roles)], PrepareSettings(**settings))


def named(found: Interactions) -> list[tuple[Any, ...]]:
    """Rows of the artifact with ids for codes, times in seconds."""
    frame = check_frame("interactions", found.frame).with_columns(
        user=found.user_ids.gather(found.frame["user"]),
        item=found.item_ids.gather(found.frame["item"]),
        time=pl.col("time") // 1_000_000,
    )
    return frame.rows()


T0 = 1_000_000_000


def history(user: str, items: str) -> list[Row]:
    return [(user, item, "4", str(T0 + place)) for place, item in enumerate(items)]


def test_a_small_file_by_hand() -> None:
    found = made([("7", "a", " 5 ", f"{T0 + 3}"), ("007", "b", "1e0", f"{T0}"), ("7", "b", "4.5", f"{T0 + 1}")])
    assert named(found) == [
        ("007", "b", 1.0, 1.0, T0, "train"),
        ("7", "b", 4.5, 1.0, T0 + 1, "train"),
        ("7", "a", 5.0, 1.0, T0 + 3, "train"),
    ]
    assert found.counts == {"rows_in": 3, "kept": 3, "dropped": 0, "train": 3, "valid": 0, "test": 0}
    assert found.facts["ordered"] is True
    assert found.facts["task"] == "ranking"
    assert found.facts["value_levels"] == [1.0, 4.5, 5.0]
    assert found.facts["split"]["label"] == "temporal 8:1:1"


BAD: list[Row] = [
    ("u", "a", "5", f"{T0}"),
    ("u", "b", "five", f"{T0}"),
    ("u", "c", "inf", f"{T0}"),
    ("u", "d", "", f"{T0}"),
    (" ", "e", "5", f"{T0}"),
    (None, "f", "5", f"{T0}"),
    ("u", "g", "1e400", f"{T0}"),
    ("u", "h", "5", "soon"),
    ("u", "i", "4,5", f"{T0}"),
]


@pytest.mark.fault(67)
def test_malformed_rows_are_refused_with_their_lines() -> None:
    with pytest.raises(DataError, match=r"^r\.csv: 8 malformed rows: line 3: value is not a number .*five") as caught:
        made(BAD)
    for line in (3, 4, 5, 6, 7):
        assert f"line {line}: " in caught.value.message
    assert "line 8" not in caught.value.message
    assert caught.value.message.endswith("and 3 more")
    assert "--drop-bad-rows" in (caught.value.hint or "")


@pytest.mark.fault(67)
def test_malformed_rows_are_dropped_and_counted() -> None:
    found = made(BAD, drop_bad_rows=True)
    assert [row[:2] for row in named(found)] == [("u", "a")]
    rejected = {row[0]: row[1:4] for row in check_frame("rejected", found.rejected).rows()}
    assert rejected == {
        "no user id": (2, "r.csv", 6),
        "no value": (1, "r.csv", 5),
        "value is not a number": (2, "r.csv", 3),
        "value is not finite": (2, "r.csv", 4),
        "time cannot be read": (1, "r.csv", 9),
    }
    assert found.counts["dropped"] == found.rejected["count"].sum() == 8


def test_empty_values_alone_suggest_leaving_them_out() -> None:
    with pytest.raises(DataError, match="no value") as caught:
        made([("u", "a", None), ("u", "b", "3")], roles=NAMES[:3])
    assert "--value-column none" in (caught.value.hint or "")


@pytest.mark.fault(73)
@pytest.mark.parametrize(
    ("policy", "kept"),
    [("last", [2.0]), ("first", [5.0]), ("mean", [3.5]), ("sum", [7.0]), ("max", [5.0]), ("keep", [5.0, 2.0])],
)
def test_duplicates_by_policy(policy: str, kept: list[float]) -> None:
    found = made([("u", "a", "2", f"{T0 + 5}"), ("u", "a", "5", f"{T0}")], duplicates=policy)
    assert [row[2] for row in named(found)] == kept
    assert found.counts["kept"] + found.counts["dropped"] == 2


@pytest.mark.fault(73)
def test_duplicates_as_an_error_name_both_lines() -> None:
    with pytest.raises(DataError, match=r"r\.csv line 2 .* and r\.csv line 4"):
        made([("u", "a", "2", "1"), ("u", "b", "2", "2"), ("u", "a", "5", "3")], duplicates="error", time_unit="s")


@pytest.mark.fault(74)
def test_no_pair_is_in_two_parts_and_short_users_stay_in_train() -> None:
    rows = history("u", "abcdefghij") + history("v", "a") + history("u", "cde")
    found = made(rows)
    parts = {(row[0], row[1]): row[5] for row in named(found)}
    assert len(parts) == found.counts["kept"]
    assert parts["v", "a"] == "train"
    assert found.leakage.filter(pl.col("check") == "repeated pairs")["count"].sum() == 0
    assert found.facts["leakage"][0].startswith("no leakage")


@pytest.mark.fault(79)
def test_one_user_one_item() -> None:
    found = made([("u", "a")], roles=NAMES[:2])
    assert named(found) == [("u", "a", 1.0, 1.0, None, "train")]
    assert found.facts["has_values"] is False
    assert found.facts["ordered"] is False
    assert found.facts["split"]["method"] == "random"


def test_equal_times_are_no_order() -> None:
    found = made([("u", item, "1", "5") for item in "abcd"], time_unit="s")
    assert found.facts["ordered"] is False
    assert found.facts["split"]["method"] == "random"


def test_behaviours_become_weights_and_the_rest_is_dropped() -> None:
    rows: list[Row] = [("u", "a", "view"), ("u", "b", "purchase"), ("u", "c", "share"), ("u", "d", None)]
    found = made(rows, roles=("user", "item", "event"), event_weights={"view": 1, "purchase": 5})
    assert [(row[1], row[3]) for row in named(found)] == [("a", 1.0), ("b", 5.0)]
    assert found.counts["dropped.behaviour not named"] == 2
    with pytest.raises(ConfigError, match=r"none of the behaviours buy is in the file"):
        made(rows, roles=("user", "item", "event"), event_weights={"buy": 1})


def test_values_and_age_as_weights() -> None:
    day = 86_400
    rows = [("u", item, "2", f"{T0 + place * day}") for place, item in enumerate("abcdefghij")]
    found = made(rows, value_as_weight=True, recency_half_life=1.0)
    # the newest training row is the eighth; what comes after it (validation and test) has no age
    assert [row[3] for row in named(found)] == [2 * 0.5**age for age in (7, 6, 5, 4, 3, 2, 1, 0, 0, 0)]


def test_positions_order_rows_and_nothing_more() -> None:
    rows = [("u", item, str(place)) for place, item in enumerate("jihgfedcba")]
    found = made(rows, roles=("user", "item", "time"), time_unit="order")
    assert [row[1] for row in named(found) if row[5] == "test"] == ["a"]
    assert found.facts["time_unit"] == "order"
    assert "later for anyone" not in found.leakage["check"].to_list()
    with pytest.raises(ConfigError, match="positions of different users"):
        made(rows, roles=("user", "item", "time"), time_unit="order", split="global-time")
    with pytest.raises(ConfigError, match="positions have no age"):
        made(rows, roles=("user", "item", "time"), time_unit="order", recency_half_life=1.0)


def test_ctr_is_told_from_the_labels() -> None:
    labels = made([("u", "a", "1"), ("u", "b", "0")], roles=NAMES[:3])
    assert labels.facts["task"] == "ctr"
    assert made([("u", "a", "1"), ("u", "b", "1")], roles=NAMES[:3]).facts["task"] == "ranking"
    assert made([("u", "a", "1"), ("u", "b", "0")], roles=NAMES[:3], task="rating").facts["task"] == "rating"


def test_given_parts_are_left_alone() -> None:
    rows: list[Row] = [
        ("u", "a", "5", "train"),
        ("u", "a", "1", "train"),
        ("u", "a", "2", "test"),
        ("v", "b", "1", "test"),
    ]
    found = made(
        rows, roles=("user", "item", "value", "part"), split="given", split_column="split", min_rating=4, core=(5, 5)
    )
    assert sorted((row[0], row[1], row[2], row[5]) for row in named(found)) == sorted(
        (user, item, float(value), part) for user, item, value, part in rows
    )
    assert found.counts["dropped"] == 0
    assert found.notes == [
        "given parts stay as they are: --min-rating, --core not applied",
        "split given leaves no valid rows (--valid-from-train 0.1 makes one)",
    ]
    assert found.facts["leakage"][0] == "1 test rows repeat a pair of train"


@pytest.mark.parametrize(("last", "future"), [("test", True), ("train", False)])
def test_given_parts_with_an_order_are_looked_at(last: str, future: bool) -> None:
    rows = [("u", "a", "0", "train"), ("u", "b", "1", "test"), ("u", "c", "2", last)]
    found = made(rows, roles=("user", "item", "time", "part"), time_unit="order", split="given", split_column="split")
    assert found.facts["split"]["future"] is future
    found = made([(*row[:2], row[3]) for row in rows], roles=("user", "item", "part"), split_column="split")
    assert "future" not in found.facts["split"]


def test_given_files_and_a_validation_part_from_train() -> None:
    train = source(history("u", "abcdefghij"), name="train.csv", part=0)
    test = source(history("u", "xy") + history("new", "z"), name="test.csv", part=2)
    found = assemble([train, test], PrepareSettings(valid_from_train=0.2))
    assert {part: found.counts[part] for part in ("train", "valid", "test")} == {"train": 8, "valid": 2, "test": 3}
    assert set(found.item_ids) == set("abcdefghijxyz")
    assert found.source_rows == [10, 3]
    assert "new" in found.user_ids


def test_cold_users_have_a_history_part() -> None:
    rows = [row for user in range(10) for row in history(f"u{user}", "abcde")]
    found = made(rows, split="cold-user", ratios=(8, 1, 1))
    assert {part: found.counts[part] for part in ("train", "valid", "test", "history")} == {
        "train": 40,
        "valid": 1,
        "test": 1,
        "history": 8,
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_rating": 3.0}, "--min-rating needs a column for the value"),
        ({"value_as_weight": True}, "--value-as-weight needs a column for the value"),
        ({"recency_half_life": 2.0}, "--recency-half-life needs a column for the time"),
        ({"event_weights": {"view": 1.0}}, "--event-weights needs a column for the event"),
        ({"task": "rating"}, "task 'rating' needs a column of ratings"),
        ({"split": "temporal"}, "split 'temporal' needs times"),
        ({"split": "given"}, "split 'given' needs parts"),
        ({"valid_from": "2020-01-01"}, "--valid-from is for split 'global-time'"),
        ({"valid_from_train": 0.1}, "--valid-from-train is for split 'given'"),
    ],
)
def test_settings_that_contradict_the_data(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        made([("u", "a"), ("u", "b")], roles=NAMES[:2], **settings)


def test_empty_parts_are_named() -> None:
    assert made([("u", "a")], roles=NAMES[:2]).notes == [
        "split random leaves no valid rows",
        "split random leaves no test rows",
    ]
    assert made([("u", "a")], roles=NAMES[:2], ratios=(1, 0, 0)).notes == []


def test_nothing_left_is_refused() -> None:
    with pytest.raises(DataError, match=r"no interaction is left: 1 value below the least"):
        made([("u", "a", "1")], roles=NAMES[:3], min_rating=3)
    with pytest.raises(DataError, match="no rows"):
        made([], roles=NAMES[:3])


def test_files_with_different_columns_are_refused() -> None:
    with pytest.raises(DataError, match=r"r\.csv has a column for the value and other\.csv has none"):
        assemble(
            [source([("u", "a", "1")], roles=NAMES[:3]), source([("u", "a")], roles=NAMES[:2], name="other.csv")],
            PrepareSettings(),
        )


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["u", "v", "w", "", None, "7", "007"]),
        st.sampled_from(["a", "b", "c", "d", " ", "7"]),
        st.sampled_from(["1", "2.5", "5", "nan", "x", "", " 3"]),
        st.sampled_from([f"{T0}", f"{T0 + 1}", f"{T0 + 2}", f"{T0 + 3}"]),
    ),
    min_size=1,
    max_size=40,
)
SETTINGS = st.fixed_dictionaries(
    {
        "duplicates": st.sampled_from(["last", "first", "mean", "sum", "max", "keep"]),
        "min_rating": st.sampled_from([None, 2.0]),
        "max_interactions": st.sampled_from([None, 4]),
        "core": st.sampled_from([(0, 0), (2, 1)]),
        "split": st.sampled_from(["auto", "random", "leave-one-out", "cold-item", "cold-user"]),
    }
)


@given(ROWS, SETTINGS)
def test_conservation_law(rows: list[Row], settings: dict[str, Any]) -> None:
    try:
        found = made(rows, drop_bad_rows=True, **settings)
    except DataError as error:
        expected = ("no interaction is left", "nothing to train on")
        if not any(text in error.message for text in expected):
            raise
        return
    counts = found.counts
    assert counts["rows_in"] == len(rows) == counts["kept"] + counts["dropped"]
    assert (
        counts["kept"]
        == found.frame.height
        == sum(counts.get(part, 0) for part in ("train", "valid", "test", "history"))
    )
    assert counts["dropped"] == found.rejected["count"].sum()
    assert found.frame["user"].n_unique() == len(found.user_ids)
    assert found.frame["item"].n_unique() == len(found.item_ids)


def artifacts(found: Interactions) -> tuple[Any, ...]:
    return (found.frame.rows(), found.user_ids.to_list(), found.item_ids.to_list(), found.facts, found.leakage.rows())


@pytest.mark.fault(78, 132)
@given(st.randoms(use_true_random=False), SETTINGS)
def test_row_order_does_not_matter(random: Any, settings: dict[str, Any]) -> None:
    rows = [
        (str(random.randrange(5)), str(random.randrange(8)), str(random.randrange(1, 6)), str(T0 + random.randrange(9)))
        for _ in range(60)
    ]
    rows = list({(user, item, time): (user, item, value, time) for user, item, value, time in rows}.values())
    shuffled = random.sample(rows, len(rows))
    outcomes = []
    for order in (rows, shuffled, sorted(rows)):
        try:
            outcomes.append(artifacts(made(order, **settings)))
        except DataError as error:
            outcomes.append(error.message)
    assert outcomes[0] == outcomes[1] == outcomes[2]


@pytest.mark.fault(78, 132)
@pytest.mark.parametrize("policy", ["mean", "sum", "max", "keep"])
def test_row_order_does_not_matter_without_time(policy: str) -> None:
    rows = [("u", "abc"[place % 3], str(place % 5 / 10)) for place in range(15)]
    one, other = (made(order, roles=NAMES[:3], duplicates=policy) for order in (rows, rows[::-1]))
    assert artifacts(one) == artifacts(other)


@pytest.mark.fault(133)
@pytest.mark.parametrize("split", ["temporal", "leave-one-out", "global-time"])
def test_renamed_ids_are_split_alike(split: str) -> None:
    rows = [(f"u{place % 4}", f"i{place * 7 % 11}", "3", str(T0 + place)) for place in range(44)]
    renamed = [(f"x{user[::-1]}", f"{90 - int(item[1:])}", value, time) for user, item, value, time in rows]
    one = {(row[0], row[1]): row[5] for row in named(made(rows, split=split))}
    other = {(row[0], row[1]): row[5] for row in named(made(renamed, split=split))}
    assert {(f"x{user[::-1]}", f"{90 - int(item[1:])}"): part for (user, item), part in one.items()} == other


@pytest.mark.fault(134)
def test_the_whole_file_twice_is_the_file_once() -> None:
    rows = [(f"u{place % 4}", f"i{place * 7 % 11}", "3", str(T0 + place % 5)) for place in range(40)]
    once, twice = made(rows, duplicates="first"), made(rows + rows, duplicates="first")
    assert artifacts(once) == artifacts(twice)
    assert twice.counts["dropped.duplicate"] == once.counts.get("dropped.duplicate", 0) + 40


@pytest.mark.fault(69)
def test_ids_stay_strings() -> None:
    names = ["007", "7", "7.0", "1e3", "True", "null", "NaN", "-0", "18446744073709551616"]
    found = made([(name, name) for name in names], roles=NAMES[:2])
    assert {row[0] for row in named(found)} == set(names) == {row[1] for row in named(found)}


@pytest.mark.fault(71)
def test_normalisation_twins_are_named() -> None:
    found = made([("caf\u00e9", "a"), ("cafe\u0301", "a")], roles=NAMES[:2])
    assert found.notes[:1] == ["1 user ids differ from another in Unicode normalisation alone; they stay distinct"]
    assert len(found.user_ids) == 2
