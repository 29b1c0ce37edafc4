"""Catalogue and users: ids united, attributes typed, names that clash, texts."""

from __future__ import annotations

import polars as pl
import pytest

from reccli.errors import ConfigError
from reccli.preparation.catalogue import item_frame, profiles, union_ids, user_frame
from reccli.schemas import check_frame

ITEMS = pl.DataFrame(
    {
        "movieId": ["2", "1", "1", None, " "],
        "title": ["Heat (1995)", "A|B", "again", "no id", "blank id"],
        "genres": ["Crime|Drama", None, "x", "y", "z"],
        "year": ["1995", "", "1", "2", "3"],
        "text": ["prose", None, "", "", ""],
        "item": ["1.5", "2", "3", "4", "5"],
        "id": ["p", "q", "r", "s", "t"],
    }
).lazy()


def test_the_first_row_of_an_id_counts() -> None:
    found = profiles(ITEMS, "movieId")
    assert (found.rows, found.repeated, found.blank) == (5, 1, 2)
    assert found.frame["id"].to_list() == ["2", "1"]
    assert found.frame["id_"].to_list() == ["p", "q"]


def test_items_by_hand() -> None:
    frame, columns = item_frame(pl.Series(["1", "2", "3"]), profiles(ITEMS, "movieId"), template=None, roles={})
    frame = check_frame("items", frame)
    assert frame.columns == ["item", "item_id", "title", "text", "genres", "year", "text_", "item_", "id_"]
    assert frame["title"].to_list() == ["A|B", "Heat (1995)", None]
    assert frame["text"].to_list() == ["A, B", "Heat (1995) (Crime, Drama, 1995): prose", None]
    assert frame["year"].to_list() == [None, 1995, None]
    assert frame["item_"].to_list() == [2.0, 1.5, None]
    assert columns == ["title", "genres", "year", "text"]


def test_template_and_roles_decide() -> None:
    known = profiles(ITEMS, "movieId")
    frame, columns = item_frame(pl.Series(["2"]), known, template="{genres}", roles={"title": "genres"})
    assert (frame["text"][0], frame["title"][0], columns) == ("Crime, Drama", "Crime|Drama", ["genres"])
    with pytest.raises(ConfigError, match="called 'plot'"):
        item_frame(pl.Series(["2"]), known, template="{plot}", roles={})


def test_unknown_columns_with_words_are_text() -> None:
    raw = pl.DataFrame({"sku": ["1", "2"], "blurb": ["a red ball", "a blue kite"], "size": ["12", "XL"]}).lazy()
    frame, columns = item_frame(pl.Series(["1", "2"]), profiles(raw, "sku"), template=None, roles={})
    assert columns == ["blurb"]
    assert frame["text"].to_list() == ["a red ball", "a blue kite"]


def test_no_items_file_no_text() -> None:
    frame, columns = item_frame(pl.Series(["1", "2"]), None, template=None, roles={})
    assert check_frame("items", frame)["text"].to_list() == [None, None]
    assert columns == []


def test_users_by_hand() -> None:
    raw = pl.DataFrame({"userId": ["a"], "age": ["24"], "job": ["cook"], "zip_code": ["01234"]}).lazy()
    frame = user_frame(pl.Series(["a", "b"]), profiles(raw, "userId"), template=None, history=None)
    frame = check_frame("users", frame)
    assert frame.rows() == [(0, "a", "24, cook", 24, "cook", "01234"), (1, "b", None, None, None, None)]


def test_ids_are_united_in_order() -> None:
    assert union_ids(pl.Series(["2", "7"]), pl.Series(["10", "2"])).to_list() == ["10", "2", "7"]
    assert union_ids(pl.Series(["2", "7"]), None).to_list() == ["2", "7"]
