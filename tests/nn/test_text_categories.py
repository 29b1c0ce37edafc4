"""Draws of texts of the same category."""

from __future__ import annotations

import math

import numpy as np

from reccli.nn.text_categories import Categories, categories_of, nothing_shared


def test_the_categories_that_a_value_names() -> None:
    assert categories_of("Drama|War | ", "|") == ["Drama", "War"]
    assert categories_of(["Drama", 3], "|") == ["Drama", "3"]
    assert categories_of(None, "|") == categories_of(math.nan, "|") == categories_of("", "|") == []
    assert categories_of(7, "|") == ["7"]


def test_drawn_texts_are_others_of_one_of_the_categories_that_may_be_drawn() -> None:
    values = ["a", "a|b", "b", "b", "c", None, "a", "d|e"]
    text = np.array([0, 1, 2, 3, 4, 5, -1, 6])
    allowed = np.array([True, True, True, False, True, True, True])
    categories = Categories(values, text, allowed, separator="|")
    assert categories.n_categories == 5
    drawn = categories.draw(np.tile(np.arange(7), 400), np.random.default_rng(0)).reshape(400, 7)
    expected = [{1}, {0, 2}, {1}, {1, 2}, {-1}, {-1}, {-1}]
    assert [set(column.tolist()) for column in drawn.T] == expected


def test_data_without_any_category_draws_nothing() -> None:
    categories = Categories([None, None], np.array([0, 1]), np.ones(2, bool), separator="|")
    assert categories.draw(np.array([0, 1]), np.random.default_rng(0)).tolist() == [-1, -1]


def test_whether_any_category_is_shared() -> None:
    text, allowed = np.arange(3), np.array([True, True, False])
    assert Categories(["a|b", "b", "c"], text, allowed, separator="|").shared
    assert not Categories(["a", "b", "b"], text, allowed, separator="|").shared
    assert not Categories([None] * 3, text, allowed, separator="|").shared


def test_the_error_names_the_separator_that_most_values_have() -> None:
    error = nothing_shared("sampler", "genres", ["a; b, c", "d; e", ["f"], None, 3], "|")
    assert error.message == "sampler: no two items share a part of 'genres' between '|'"
    assert error.hint == "--set 'sampler.separator=;'"
    assert nothing_shared("sampler", "genres", ["a", "b"], "|").hint == "take another attribute of items"
