"""The choice of what an estimate counts: by how items left out of training are ranked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from authors import AUTHORS, world

from reccli.api import Context
from reccli.nn import text_choice
from reccli.nn.text_choice import fit_estimate
from reccli.nn.text_head import ridge_head

torch.set_num_threads(1)


def test_it_places_new_items_by_their_authors_and_is_chosen_for_it() -> None:
    base_ID, texts, train = world()
    generator = Context(seed=1).numpy_generator
    found = fit_estimate(base_ID, texts, train, ridge_head(base_ID, train, generator), generator)
    assert "told by the texts" in found.story
    user_UR = found.estimate.of_histories(train)
    new_NR, past_NR = found.estimate.of_texts(base_ID[280:], texts[280:])
    torch.testing.assert_close(new_NR, found.estimate.eval().of_items(torch.arange(280, 300)), atol=1e-4, rtol=1e-4)
    assert past_NR.shape == new_NR.shape
    taste_UA = np.zeros((120, AUTHORS))
    author_I = np.array([int(text.split("author")[1]) for text in texts])
    np.add.at(taste_UA, (train.user_E, author_I[train.item_E]), 1)
    score_UN = (user_UR @ new_NR.T).numpy()
    right_UN = taste_UA[:, author_I[280:]] > 0
    assert score_UN[right_UN].mean() > score_UN[~right_UN].mean() + 2 * score_UN[~right_UN].std()


def test_without_a_weight_that_helps_it_has_no_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    base_ID, texts, train = world()
    monkeypatch.setattr(text_choice, "SCALES", (0.0,))
    generator = Context(seed=1).numpy_generator
    head = ridge_head(base_ID, train, generator)
    found = fit_estimate(base_ID, texts, train, head, generator)
    assert found.story == head.story
    assert found.head_DD is head.head_DD
    assert found.estimate.of_histories(train).shape == (120, 0)
    assert found.estimate.of_items(torch.tensor([1, 2])).shape == (2, 0)
    assert found.estimate.of_texts(base_ID[:2], texts[:2])[0].shape == (2, 0)


@pytest.mark.parametrize("told", [True, False])
def test_words_count_where_they_tell_more_than_sentences(told: bool) -> None:
    base_ID, texts, train = world(told=told)
    generator = Context(seed=1).numpy_generator
    found = fit_estimate(base_ID, texts, train, ridge_head(base_ID, train, generator), generator)
    assert float(found.estimate.scale) > 0
    assert float(found.estimate.word_weight) == float(told)
    assert ("by words too" in found.story) == told
