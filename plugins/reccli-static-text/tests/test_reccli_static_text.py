from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from reccli_static_text import StaticText

from reccli import registry
from reccli.api import Context, Histories, Similarity
from reccli.errors import DataError
from reccli.testing import EncoderConformance, checkerboard, held_out_first
from reccli.testing.inputs import batch_of

torch.set_num_threads(1)


class TestStaticText(EncoderConformance):
    component = "static-text"
    settings = {"size": 8}


class TestSif(EncoderConformance):
    component = "static-text"
    settings = {"size": 6, "weighting": "sif", "ngram_max": 0, "vocabulary": 30}


def ready(data, **settings):
    encoder = StaticText(StaticText.Settings(**settings))
    encoder.setup(data, Context(seed=1))
    return encoder.eval()


@pytest.mark.parametrize("weighting", ["idf", "sif"])
@pytest.mark.parametrize("tastes", [2, 4])
def test_texts_alone_put_the_held_out_items_first(tastes, weighting):
    world = checkerboard(users=24, items=24, tastes=tastes, held_out=1)
    encoder = ready(world.data, size=16, weighting=weighting)
    cosine = Similarity("cosine")
    users = cosine.stored_users(encoder.export_users(world.data.train))
    items = cosine.stored_items(encoder.export_items())
    assert held_out_first(users, items, world) == 1.0


def test_new_items_stand_by_their_likes():
    world = checkerboard(items=24)
    encoder = ready(world.data, size=8)
    score_TI = encoder.encode_texts(["a new robot on its planet", "the gardens of summer"]) @ encoder.export_items().T
    for taste in (0, 1):
        own, other = score_TI[taste, world.taste_I == taste], score_TI[taste, world.taste_I != taste]
        assert own.mean() > other.mean() + 0.1


def test_inflected_words_meet_through_their_pieces():
    world = checkerboard()
    with_pieces, whole_words = ready(world.data, size=8), ready(world.data, size=8, ngram_max=0)
    assert with_pieces.encode_texts(["planetary"]).norm() > 0.5
    assert not whole_words.encode_texts(["planetary"]).any()


def test_a_text_gets_the_vector_of_the_item_that_has_it():
    data = checkerboard().data
    encoder = ready(data, size=8)
    torch.testing.assert_close(encoder.encode_texts(data.item_text_I), encoder.export_items())


def test_users_are_the_mean_of_their_other_items():
    data = checkerboard(users=8, items=8).data
    encoder = ready(data, size=4)
    batch = batch_of(data)
    for row, vector in enumerate(encoder.users(batch)):
        start, stop = data.train.offset_U1[[batch.user_B[row], batch.user_B[row] + 1]]
        others = [encoder.feature_ID[data.train.item_E[place]] for place in range(start, stop) if place != row]
        torch.testing.assert_close(vector, torch.stack(others).mean(0))


def test_items_without_text_and_users_without_history_are_zero():
    data = checkerboard(users=8, items=8).data
    encoder = ready(replace(data, item_text_I=["", "...", *data.item_text_I[2:]]), size=4)
    assert encoder.warm_items().tolist() == [False, False] + [True] * 6
    assert not encoder.export_items()[:2].any()
    empty = Histories.from_arrays([], [], n_users=1, n_items=8)
    assert not encoder.export_users(empty).any()


def test_no_text_at_all_is_refused_with_the_command():
    data = checkerboard(users=8, items=8).data
    with pytest.raises(DataError, match="no item has a text") as caught:
        ready(replace(data, item_text_I=["", "  "] * 4))
    assert "--items" in caught.value.hint


def test_training_the_heads_lowers_the_loss():
    data = checkerboard(users=12, items=12, tastes=3).data
    encoder = StaticText(StaticText.Settings(size=3))
    encoder.setup(data, Context())
    loss = torch.nn.CrossEntropyLoss()
    optimiser = torch.optim.Adam(encoder.parameters(), lr=0.05)
    losses = []
    for epoch in range(20):
        encoder.begin_epoch(epoch)
        batch = batch_of(data)
        value = loss(encoder.users(batch) @ encoder.all_items().T, batch.item_B)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        losses.append(value.item())
    assert losses[-1] < 0.9 * losses[0]


def test_setup_is_the_same_in_every_order_of_threads():
    data = checkerboard().data
    first, second = ready(data, size=8), ready(data, size=8)
    assert all(torch.equal(first.state_dict()[name], tensor) for name, tensor in second.state_dict().items())
    assert np.array_equal(first.token_V, np.sort(first.token_V))


def test_it_is_found_under_its_name():
    assert registry.load("encoder", "static-text") is StaticText
