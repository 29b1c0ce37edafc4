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


def test_categories_that_are_nowhere_draw_from_all():
    data = replace(skewed_data(), item_attributes={"genres": [""] * 30})
    sampler = Category(Category.Settings(count=8))
    sampler.setup(data, Context())
    assert sampler.sample(ROW, ROW, torch.Generator().manual_seed(0)).own_BN.shape == (12, 8)


def test_the_attribute_must_be_there():
    with pytest.raises(ConfigError, match=r"usual name of categories \(attributes: year\)"):
        Category().setup(replace(skewed_data(), item_attributes={"year": [1] * 30}), Context())
    with pytest.raises(ConfigError, match="did you mean 'genres'"):
        Category(Category.Settings(attribute="genre")).setup(with_genres(), Context())


def test_no_interactions_are_refused():
    empty = TrainingData(Histories.from_arrays([], [], n_users=2, n_items=2), item_attributes={"genres": ["a", "b"]})
    with pytest.raises(DataError, match="no training interactions"):
        Category().setup(empty, Context())
