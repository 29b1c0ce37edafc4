"""Templates: what they give, what they refuse, and which one is chosen."""

from __future__ import annotations

import polars as pl
import pytest

from reccli.errors import ConfigError
from reccli.preparation.texts import (
    fill_template,
    history_texts,
    item_template,
    plain_text,
    template_fields,
    title_column,
    user_template,
)

MOVIES = pl.DataFrame(
    {
        "title": ["Toy Story (1995)", "Heat (1995)", None, " "],
        "genres": ["Adventure|Animation|Comedy", None, "Drama", ""],
        "year": [1995, None, 2001, None],
    }
)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{title} ({genres})", ["Toy Story (1995) (Adventure, Animation, Comedy)", "Heat (1995)", "(Drama)", None]),
        ("{title} ({genres}, {year})", ["Toy Story (1995) (Adventure, Animation, Comedy, 1995)", "Heat (1995)",
                                        "(Drama, 2001)", None]),
        ("{title}: {genres}", ["Toy Story (1995): Adventure, Animation, Comedy", "Heat (1995)", "Drama", None]),
        ("{year} - {title}", ["1995 - Toy Story (1995)", "Heat (1995)", "2001", None]),
        ("A film: {title}", ["A film: Toy Story (1995)", "A film: Heat (1995)", None, None]),
    ],
)  # fmt: skip
def test_missing_values_leave_no_trace(template: str, expected: list[str | None]) -> None:
    assert fill_template(MOVIES, template, what="item text").to_list() == expected


def test_odd_titles_survive() -> None:
    titles = ["...And Justice for All", "-30-", "Mr. & Mrs. Smith", "Who's That?", "M*A*S*H", "$9.99", "{braces}"]
    frame = pl.DataFrame({"title": titles})
    assert fill_template(frame, "{title}", what="item text").to_list() == titles
    assert plain_text(frame, "title").to_list() == titles


def test_lists_become_commas() -> None:
    frame = pl.DataFrame({"genres": [["a", None, "b"], []], "tags": ["x | y", None]})
    assert fill_template(frame, "{genres}; {tags}", what="item text").to_list() == ["a, b; x, y", None]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{titel}", "no column in the item text template called 'titel'; did you mean 'title'"),
        ("{title", "item text template '{title'"),
        ("{title.__class__}", "called 'title.__class__'"),
        ("{title!r}", "a field is a column's name and nothing more"),
        ("{title:>5}", "a field is a column's name and nothing more"),
        ("movie", "names no column"),
    ],
)
def test_refused_templates(template: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        template_fields(template, MOVIES.columns, what="item text")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["title", "genres"], "{title} ({genres})"),
        (["imdbId", "genres", "title", "tags"], "{title} ({genres}, {tags})"),
        (["Title", "Author", "Description"], "{Title} ({Author}): {Description}"),
        (["name"], "{name}"),
        (["genre", "overview"], "{genre}: {overview}"),
        (["price"], None),
        ([], None),
    ],
)
def test_chosen_template(columns: list[str], expected: str | None) -> None:
    assert item_template(columns) == expected


def test_chosen_columns() -> None:
    assert title_column(["id", "Movie Title"]) == "Movie Title"
    assert title_column(["id"]) is None
    assert user_template(["age", "job"]) == "{age}, {job}"
    assert user_template([]) is None


def test_history_is_the_newest_titles_oldest_first() -> None:
    train = pl.DataFrame(
        {"user": [0] * 25 + [2, 2], "item": [*range(25), 0, 25]}, schema={"user": pl.UInt32, "item": pl.UInt32}
    )
    names = pl.Series([f"film {number}" for number in range(25)] + [None])
    found = history_texts(train, names, 4)
    assert found[0] == ", ".join(f"film {number}" for number in range(5, 25))
    assert found[1] is None
    assert found[2] == "film 0"
    assert found[3] is None
