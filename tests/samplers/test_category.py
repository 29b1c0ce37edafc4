from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reccli.api import Context, Histories, TrainingData
from reccli.errors import ConfigError, DataError
from reccli.samplers.category import Category
from reccli.testing import SamplerConformance
from reccli.testing.inputs import skewed_data

GENRES = [None, "", "a", "alone", *(["a|b", "b", "c| a", ["b", "c"]] * 7)][:30]
ROW = torch.arange(12)


def with_genres(**changes):
    return replace(skewed_data(), item_attributes={"year": list(range(30)), "genres": GENRES, **changes})


class TestCategory(SamplerConformance):
    component = "category"

    def data(self):
        return with_genres()


class TestCategoryAlone(SamplerConformance):
    component = "category"
    settings = {"share": 1.0, "attribute": "genres", "count": 3}

    def data(self):
        return with_genres()


def kinds(item):
    value = GENRES[item]
    parts = value if isinstance(value, list) else (value or "").split("|")
    return {part.strip() for part in parts if part.strip()}


def drawn(count, share, item_B=ROW):
    data = with_genres()
    sampler = Category(Category.Settings(count=count, share=share))
    sampler.setup(data, Context())
    return sampler.sample(item_B, item_B, torch.Generator().manual_seed(0)).own_BN, data


def test_near_ones_share_a_category_with_the_positive():
    code_BN, _ = drawn(300, 0.5)
    for item, codes in zip(ROW.tolist(), code_BN.tolist(), strict=True):
        if item >= 2 and item != 3:
            assert all(kinds(item) & kinds(code) for code in codes[:150])
        assert not all(kinds(item) & kinds(code) for code in codes[150:])


@pytest.mark.parametrize("item", [2, 6, 7])
def test_a_random_category_then_an_even_draw(follows, item):
    code_BN, data = drawn(20_000, 1.0, torch.tensor([item]))
    seen = np.flatnonzero(data.item_count_I())
    chance_I = np.zeros(30)
    for kind in kinds(item):
        members = [other for other in seen if kind in kinds(other)]
        chance_I[members] += 1 / len(kinds(item)) / len(members)
    follows(code_BN[0], chance_I)


@pytest.mark.parametrize("item", [0, 1, 3])
def test_an_item_without_company_gets_draws_from_all(follows, item):
    code_BN, data = drawn(20_000, 1.0, torch.tensor([item]))
    seen_I = data.item_count_I() > 0
    follows(code_BN[0], seen_I / seen_I.sum())


def by_genres(genres, warned=None, **settings):
    data = replace(skewed_data(), item_attributes={"genres": genres})
    sampler = Category(Category.Settings(count=8, **settings))
    sampler.setup(data, Context() if warned is None else Context(warn=warned.append))
    return sampler


def commas(index):
    return f"war, x{index}" if index % 2 else f"comedy, x{index}"


@pytest.mark.parametrize(
    ("genres", "hint"),
    [
        ([commas(index) for index in range(30)], "--set sampler.separator=,"),
        ([commas(index).replace(",", ";") for index in range(30)], "--set 'sampler.separator=;'"),
        ([f"title {index}" for index in range(30)], "take another attribute of items"),
        ([""] * 30, "take another attribute of items"),
    ],
)
def test_categories_that_nothing_shares_are_refused_with_what_helps(genres, hint):
    with pytest.raises(ConfigError, match=r"sampler: no two items share a part of 'genres' between '\|'") as caught:
        by_genres(genres)
    assert caught.value.hint == hint


def test_what_the_hint_says_helps():
    warned = []
    by_genres([commas(index) for index in range(30)], warned, separator=",")
    assert not warned


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_categories_that_nothing_is_drawn_from_may_be_nowhere(share):
    sampler = by_genres([""] * 30, share=share)
    assert sampler.sample(ROW, ROW, torch.Generator().manual_seed(0)).own_BN.shape == (12, 8)


def test_few_items_with_company_are_told():
    seen = int((skewed_data().item_count_I() > 0).sum())
    warned = []
    by_genres(["war", "war", *[f"title {index}" for index in range(28)]], warned)
    assert warned == [
        f"sampler category: 2 of {seen} items share a part of 'genres' with another;"
        " negatives of the others are drawn from all items"
    ]


def test_the_attribute_must_be_there():
    with pytest.raises(ConfigError, match=r"usual name of categories \(attributes: year\)"):
        Category().setup(replace(skewed_data(), item_attributes={"year": [1] * 30}), Context())
    with pytest.raises(ConfigError, match="did you mean 'genres'"):
        Category(Category.Settings(attribute="genre")).setup(with_genres(), Context())


def test_no_interactions_are_refused():
    empty = TrainingData(Histories.from_arrays([], [], n_users=2, n_items=2), item_attributes={"genres": ["a", "b"]})
    with pytest.raises(DataError, match="no training interactions"):
        Category().setup(empty, Context())
