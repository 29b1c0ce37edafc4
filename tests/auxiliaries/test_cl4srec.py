"""CL4SRec against loops over views, and which changes are made of which histories."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reccli.api import Context, Histories, TrainingData
from reccli.auxiliaries.cl4srec import CL4SRec
from reccli.testing import AuxiliaryConformance, checkerboard
from reccli.testing.inputs import batch_of


class TestCL4SRec(AuxiliaryConformance):
    component = "cl4srec"


class TestFewUsers(AuxiliaryConformance):
    component = "cl4srec"
    settings = {"users": 4}


class TestOnSASRec(AuxiliaryConformance):
    component = "cl4srec"
    encoder = "sasrec"
    encoder_settings = {"dim": 8, "words": "no"}


class TestOnRecency(AuxiliaryConformance):
    component = "cl4srec"
    encoder = "recency"
    encoder_settings = {"dim": 8, "words": "no"}


class TestOnItemTokens(AuxiliaryConformance):
    component = "cl4srec"
    encoder = "item-tokens"
    encoder_settings = {"dim": 8, "start": "random"}


@pytest.mark.parametrize("ordered", [True, False])
def test_value_and_gradients_over_the_views_that_were_read(oracle, ordered: bool) -> None:
    data = checkerboard(users=8, items=16).data
    encoder = oracle.Sums(16, ordered=ordered)
    task = CL4SRec(CL4SRec.Settings(temperature=0.4))
    task.setup(data, encoder, Context(seed=1))
    got = task(encoder, batch_of(data, [0, 1, 9, 19, 20]))
    seen = encoder.seen
    assert len(seen) == 6  # two views of three users
    views = []
    for entries in seen:
        total = torch.full((4,), 0.01, dtype=torch.float64)
        for place, (item, weight) in enumerate(entries):
            total = total + weight * encoder.table_ID[item].roll(place if ordered else 0)
        views.append(total)
    expected = oracle.among_all(views[:3], views[3:], 0.4)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(
        *(torch.autograd.grad(v, encoder.table_ID, retain_graph=True)[0] for v in (got, expected))
    )


def test_users_who_show_the_same_are_no_negatives(oracle) -> None:
    train = Histories.from_arrays([0, 1, 2, 2], [3, 3, 0, 1], n_users=3, n_items=4)
    data = TrainingData(train, ordered=True)
    encoder = oracle.Sums(4)
    task = CL4SRec(CL4SRec.Settings(ways=("crop",)))
    task.setup(data, encoder, Context(seed=1))
    got = task(encoder, batch_of(data))
    first, second = torch.chunk(encoder.read(_histories(encoder.seen, 4)), 2)
    same = np.eye(3, dtype=bool)
    same[0, 1] = same[1, 0] = True  # both met item 3 alone
    torch.testing.assert_close(got, oracle.among_all(list(first), list(second), 0.2, same))
    assert not torch.isclose(got, oracle.among_all(list(first), list(second), 0.2))


def test_views_are_of_the_newest_entries_and_of_the_ways_asked_for(oracle) -> None:
    count = 40
    train = Histories.from_arrays([0] * count, range(count), n_users=2, n_items=count, time_E=range(count))
    data = TrainingData(train, ordered=True)
    for ways, ordered in ((("crop",), True), (("mask",), True), (("reorder",), True), (("mask", "reorder"), False)):
        encoder = oracle.Sums(count, ordered=ordered)
        task = CL4SRec(CL4SRec.Settings(ways=ways, window=10))
        task.setup(data, encoder, Context(seed=3))
        task(encoder, batch_of(data, [5, 6]))
        for entries in encoder.seen:
            items, weights = [item for item, _ in entries], [weight for _, weight in entries]
            if ways == ("crop",):
                assert items == list(range(items[0], items[0] + 6))
                assert 30 <= items[0] <= 34
                assert weights == [1.0] * 6
            elif ways == ("mask",):
                assert items == list(range(30, 40))
                assert weights.count(0.0) == 3
            elif ways == ("reorder",):
                assert items != sorted(items)
                assert sorted(items) == list(range(30, 40))
                moved = [place for place, item in enumerate(items) if item != 30 + place]
                assert moved[-1] - moved[0] < 6
            else:  # nothing to reorder in a set: all of it, some hidden
                assert sorted(items) == list(range(count))
                assert weights.count(0.0) == 12


def test_a_piece_of_a_set_is_any_part_of_it(oracle) -> None:
    count = 40
    train = Histories.from_arrays([0] * count, range(count), n_users=1, n_items=count)
    encoder = oracle.Sums(count, ordered=False)
    task = CL4SRec(CL4SRec.Settings(ways=("crop",)))
    task.setup(TrainingData(train), encoder, Context(seed=3))
    task(encoder, batch_of(TrainingData(train), [5, 6]))
    for entries in encoder.seen:
        items = sorted(item for item, _ in entries)
        assert len(set(items)) == 24
        assert items != list(range(items[0], items[0] + 24))


def _histories(seen: list[list[tuple[int, float]]], n_items: int) -> Histories:
    """Build histories of entries in the order given."""
    length = np.array([len(entries) for entries in seen])
    item = np.array([item for entries in seen for item, _ in entries], np.int64)
    weight = np.array([weight for entries in seen for _, weight in entries], np.float32)
    offset = np.concatenate([[0], np.cumsum(length)])
    return Histories(offset, item, np.ones_like(weight), weight, np.zeros_like(item), n_items)
