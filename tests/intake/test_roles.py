"""Columns find their roles by usual names, by position, or as told."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from reccli.api import Table
from reccli.errors import ConfigError, DataError
from reccli.intake import roles
from reccli.settings import PrepareSettings


def assigned(columns, kind="interactions", *, fixed=None, **settings):
    frame = columns if isinstance(columns, pl.DataFrame) else pl.DataFrame({name: ["1"] for name in columns})
    table = Table(frame.lazy(), Path("data.csv"), found={"header": "yes"}, roles=fixed or {})
    return roles.assign(table, PrepareSettings(**settings), kind)


@pytest.mark.fault(64)
@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["userId", "movieId", "rating", "timestamp"], ["userId", "movieId", "rating", "timestamp"]),
        (["rating", "ts", "USER_ID", "Item-ID"], ["USER_ID", "Item-ID", "rating", "ts"]),
        (["reviewerID", "asin", "overall", "unixReviewTime"], ["reviewerID", "asin", "overall", "unixReviewTime"]),
        (["User-ID", "ISBN", "Book-Rating"], ["User-ID", "ISBN", "Book-Rating"]),
        (["userID", "artistID", "weight"], ["userID", "artistID", "weight"]),
        (["user", "track", "playcount", "date"], ["user", "track", "playcount", "date"]),
        (["uid", "iid", "click", "time"], ["uid", "iid", "click", "time"]),
        (["user_id", "parent_asin", "stars", "position"], ["user_id", "parent_asin", "stars", "position"]),
        (["user_id", "book_id", "hours"], ["user_id", "book_id", "hours"]),
        (["user", "user_id", "item", "item_id"], ["user_id", "item_id"]),
    ],
)
def test_f64_usual_names(columns, expected):
    assert list(assigned(columns).values()) == expected


def test_all_roles_of_interactions():
    columns = ["user", "item", "score", "time", "event", "split", "note"]
    assert assigned(columns) == {
        "user": "user", "item": "item", "value": "score", "time": "time", "event": "event", "split": "split",
    }  # fmt: skip


@pytest.mark.fault(64)
def test_f64_settings_go_before_names():
    columns = ["user", "buyer", "item", "rating", "when"]
    found = assigned(columns, user_column="buyer", time_column="WHEN")
    assert found == {"user": "buyer", "item": "item", "value": "rating", "time": "when"}


@pytest.mark.fault(64)
def test_f64_a_setting_that_names_no_column():
    with pytest.raises(
        ConfigError, match=r"user_column='usr': data\.csv has no such column; did you mean 'user'"
    ) as error:
        assigned(["user", "item"], user_column="usr")
    assert "--user-col" in error.value.hint


def test_a_column_cannot_be_two_things():
    with pytest.raises(ConfigError, match="'user' is to be both user and item"):
        assigned(["user", "x"], user_column="user", item_column="user")


@pytest.mark.fault(64)
def test_f64_a_role_without_a_column():
    with pytest.raises(DataError, match=r"role 'item'; did you mean 'itemm'\? \(user, itemm\)") as error:
        assigned(["user", "itemm"])
    assert error.value.hint.startswith("--item-col 'itemm'")
    with pytest.raises(DataError, match="role 'user'") as error:
        assigned(["a b c"])
    assert "--sep" in error.value.hint


def test_roles_that_the_format_fixes():
    assert assigned(["a", "b", "user"], fixed={"user": "a", "item": "b"}) == {"user": "a", "item": "b"}
    assert assigned(["a", "b"], "items", fixed={"item": "a"}) == {"id": "a"}


@pytest.mark.parametrize(
    ("third", "expected"),
    [(["3", "5"], ["user", "item", "value"]), (["881250949", "891717742"], ["user", "item", "time"])],
)
def test_nameless_columns_go_by_position(third, expected):
    frame = pl.DataFrame({"column_1": ["a", "b"], "column_2": ["c", "d"], "column_3": third})
    assert list(assigned(frame)) == expected
    four = frame.with_columns(column_4=pl.lit("7"))
    assert list(assigned(four)) == ["user", "item", "value", "time"]
    with pytest.raises(DataError, match="role 'user'"):
        assigned(four.with_columns(column_5=pl.lit("7")))
    found = assigned(four.with_columns(column_5=pl.lit("7")), user_column="5", item_column="column_1")
    assert found == {"user": "column_5", "item": "column_1"}


@pytest.mark.parametrize(
    ("kind", "columns", "expected"),
    [
        ("items", ["movieId", "title", "genres"], {"id": "movieId", "title": "title"}),
        ("items", ["item_id", "isbn", "title"], {"id": "item_id", "title": "title"}),
        ("items", ["id", "name"], {"id": "id", "title": "name"}),
        ("items", ["asin", "genid_text"], {"id": "asin"}),
        ("users", ["user_id", "age"], {"id": "user_id"}),
        ("users", ["id", "age"], {"id": "id"}),
        (
            "triples",
            ["head_id", "relation_id", "tail_id"],
            {"head": "head_id", "relation": "relation_id", "tail": "tail_id"},
        ),
        ("triples", ["subject", "predicate", "object"], {"head": "subject", "relation": "predicate", "tail": "object"}),
        ("triples", ["x", "y", "z"], {"head": "x", "relation": "y", "tail": "z"}),
    ],
)
def test_side_files(kind, columns, expected):
    assert assigned(columns, kind) == expected


def test_a_side_file_needs_an_id():
    with pytest.raises(DataError, match="items role 'id'"):
        assigned(["title", "genres"], "items")
    with pytest.raises(DataError, match="triples role 'tail'"):
        assigned(["head", "relation", "x", "y"], "triples")


def test_settings_for_interactions_are_not_asked_of_side_files():
    assert assigned(["movieId", "title"], "items", item_column="product") == {"id": "movieId", "title": "title"}
    assert assigned(["sku", "movieId"], "items", item_column="MOVIEID") == {"id": "movieId"}


def ids(values, dtype, **settings):
    frame = pl.DataFrame({"user": pl.Series(values, dtype=dtype), "item": ["x"] * len(values)})
    table = Table(frame.lazy(), Path("data.parquet"))
    return roles.with_text_ids(table, PrepareSettings(**settings), "interactions").frame.collect()["user"].to_list()


@pytest.mark.fault(84)
@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([7, None, 2**63 - 1], pl.Int64, ["7", None, "9223372036854775807"]),
        ([2**64 - 1, 0], pl.UInt64, ["18446744073709551615", "0"]),
        ([7.0, None, -3.0], pl.Float64, ["7", None, "-3"]),
        ([7.0, 16777216.0], pl.Float32, ["7", "16777216"]),
        (["007", "7"], pl.Categorical, ["007", "7"]),
        ([True, False], pl.Boolean, ["true", "false"]),
    ],
)
def test_f84_typed_ids_become_exact_strings(values, dtype, expected):
    assert ids(values, dtype) == expected


@pytest.mark.fault(84)
@pytest.mark.parametrize(
    ("values", "dtype", "match"),
    [
        ([7.5], pl.Float64, "not whole"),
        ([float("nan")], pl.Float64, "not whole"),
        ([2.0**60], pl.Float64, "not whole"),
        ([["a"]], pl.List(pl.String), "the type List"),
        ([{"a": 1}], pl.Struct({"a": pl.Int64}), "the type Struct"),
    ],
)
def test_f84_ids_that_are_none(values, dtype, match):
    with pytest.raises(DataError, match=match):
        ids(values, dtype)


def test_other_columns_keep_their_types():
    frame = pl.DataFrame({"user": [1], "item": [2], "rating": [4.5], "time": [3]})
    table = roles.with_text_ids(Table(frame.lazy(), Path("x")), PrepareSettings(), "interactions")
    assert table.frame.collect_schema() == {
        "user": pl.String,
        "item": pl.String,
        "rating": pl.Float64,
        "time": pl.Int64,
    }
