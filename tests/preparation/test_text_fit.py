"""Texts that are off by one are noticed, texts that fit or tell nothing are not."""

from __future__ import annotations

import tracemalloc

import numpy as np
import polars as pl
import pytest

from reccli.preparation import text_fit as module
from reccli.preparation.text_fit import TextFit, text_fit

ITEMS, USERS, KINDS = 200, 120, 25


def world(*, by: int = 0, told: bool = True, first: int = 1) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of users who like some kinds, and items whose text is that of the item `by` numbers before."""
    draw = np.random.default_rng(7)
    kind_I = draw.permutation(np.arange(ITEMS) % KINDS)
    likes_UK = draw.random((USERS, KINDS)) < 0.15
    chance_UI = np.where(likes_UK[:, kind_I], 0.5, 0.03)
    user_E, item_E = np.nonzero(draw.random((USERS, ITEMS)) < chance_UI)
    if not told:
        kind_I = draw.permutation(kind_I)
    texts = [f"about kind{kind}" for kind in np.roll(kind_I, -by)]
    ids = [str(first + number) for number in range(ITEMS)]
    items = pl.DataFrame({"item_id": ids, "text": texts}).sample(fraction=1, shuffle=True, seed=1)
    code = {int(item_id) - first: code for code, item_id in enumerate(items["item_id"])}
    rows = pl.DataFrame({"user": user_E.astype(np.uint32), "item": [code[item] for item in item_E]})
    return rows, items


def literal_lift(rows: pl.DataFrame, items: pl.DataFrame, by: int) -> float:
    """Pairs of items of each user, spelled out; texts here have one telling word each."""
    text = dict(zip(items["item_id"].cast(int).to_list(), items["text"].to_list(), strict=True))
    number = items["item_id"].cast(int).to_list()
    word_I = [text.get(one - by) for one in number]
    met: dict[int, set[int]] = {}
    for user, item in rows.iter_rows():
        met.setdefault(user, set()).add(item)
    count = np.bincount(rows["item"].to_numpy(), minlength=len(number)).astype(float)
    same = np.array([[a is not None and a == b for b in word_I] for a in word_I], float)
    np.fill_diagonal(same, 0)
    observed = sum(same[np.ix_(sorted(items_), sorted(items_))].sum() for items_ in met.values())
    length = np.array([len(items_) for items_ in met.values()], float)
    return float(observed / (count @ same @ count * (length**2).sum() / length.sum() ** 2))


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_lifts_are_those_of_all_pairs(by: int) -> None:
    rows, items = world(by=by)
    found = text_fit(rows, items)
    assert found is not None
    assert found.own == pytest.approx(literal_lift(rows, items, 0), rel=1e-9)
    assert found.moved == pytest.approx(max(literal_lift(rows, items, move) for move in (-1, 1)), rel=1e-9)


@pytest.mark.parametrize(("by", "there"), [(1, "higher"), (-1, "lower")])
def test_texts_that_are_off_by_one_are_noticed(by: int, there: str) -> None:
    found = text_fit(*world(by=by))
    assert found is not None
    assert found.by == by
    assert found.warning is not None
    assert found.warning.startswith("texts may be off by one: items that share words are met together ")
    assert f"moved to the next {there} item id {found.moved:.2f} times" in found.warning


def test_texts_that_fit_or_tell_nothing_are_not() -> None:
    for rows, items in (world(), world(told=False), world(by=7)):
        found = text_fit(rows, items)
        assert found is not None
        assert found.warning is None


def test_small_differences_are_chance() -> None:
    assert TextFit(own=1.01, moved=1.04, by=1, chance=1.0).warning is None
    assert TextFit(own=1.0, moved=1.3, by=1, chance=1.2).warning is None
    assert TextFit(own=1.1, moved=1.26, by=1, chance=1.05).warning is not None


def test_a_part_of_the_users_tells_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, items = world(by=1)
    monkeypatch.setattr(module, "MOST_ROWS", rows.height // 2)
    found = text_fit(rows, items)
    assert found is not None
    assert found.warning is not None


def test_a_user_with_more_rows_than_are_read_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, items = world()
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    assert text_fit(rows, items) is None


def test_long_texts_of_many_users_are_added_up_in_little_memory() -> None:
    draw = np.random.default_rng(3)
    users, n_items, met, words = 6000, 400, 8, 120
    texts = [" ".join(f"w{word}" for word in draw.integers(0, 20_000, words)) for _ in range(n_items)]
    items = pl.DataFrame({"item_id": [str(number) for number in range(n_items)], "text": texts})
    item_E = np.concatenate([draw.choice(n_items, met, replace=False) for _ in range(users)])
    rows = pl.DataFrame({"user": np.repeat(np.arange(users), met), "item": item_E})
    tracemalloc.start()
    try:
        assert text_fit(rows, items) is not None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.5 * users * met * words * 12  # of the words of all users at once


def test_ids_that_are_no_numbers_few_rows_and_missing_texts_tell_nothing() -> None:
    rows, items = world()
    assert text_fit(rows, items.with_columns(pl.lit("a").alias("item_id"))) is None
    assert text_fit(rows.head(999), items) is None
    assert text_fit(rows, items.with_columns(pl.lit(None, pl.String).alias("text"))) is None
    assert text_fit(rows, items.with_columns(pl.lit("the same").alias("text"))) is None
