from __future__ import annotations

import csv

import numpy as np
import pytest

from reccli.testing import checkerboard, held_out_first

TASKS = ["ranking", "rating", "ctr"]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("tastes", "held_out"), [(2, 1), (2, 3), (4, 2), (6, 1)])
def test_the_answer_is_held_out_and_of_the_users_taste(task, tastes, held_out):
    world = checkerboard(users=24, items=24, tastes=tastes, held_out=held_out, task=task)
    train = world.data.train
    known = set(zip(train.user_E.tolist(), train.item_E.tolist(), strict=True))
    held = set(zip(world.held_user_H.tolist(), world.held_item_H.tolist(), strict=True))
    assert not known & held
    assert len(held) == 24 * held_out
    for user, item in held:
        assert world.taste_U[user] == world.taste_I[item]
    for user in range(24):
        own = {(user, item) for item in np.flatnonzero(world.taste_I == world.taste_U[user])}
        assert own <= known | held
    assert (world.data.item_count_I() > 0).all()


def test_every_held_out_item_has_been_met_by_others():
    world = checkerboard(users=4, items=4, held_out=1)
    assert (world.data.item_count_I()[world.held_item_H] > 0).all()


@pytest.mark.parametrize("task", TASKS)
def test_tastes_themselves_solve_it_and_noise_does_not(task):
    world = checkerboard(users=24, items=24, tastes=4, held_out=2, task=task)
    one_hot = np.eye(4)
    assert held_out_first(one_hot[world.taste_U], one_hot[world.taste_I], world) == 1.0
    rng = np.random.default_rng(0)
    assert held_out_first(rng.normal(size=(24, 4)), rng.normal(size=(24, 4)), world) < 0.5
    assert held_out_first(np.ones((24, 2)), np.ones((24, 2)), world) == 0.0


def test_popularity_does_not_solve_it():
    world = checkerboard()
    count_I1 = world.data.item_count_I()[:, None].astype(float)
    assert held_out_first(np.ones((24, 1)), count_I1, world) < 0.6


@pytest.mark.parametrize("task", ["rating", "ctr"])
def test_values_tell_liked_from_disliked(task):
    world = checkerboard(task=task)
    train = world.data.train
    liked_E = world.taste_U[train.user_E] == world.taste_I[train.item_E]
    assert liked_E.any()
    assert (~liked_E).any()
    assert train.value_E[liked_E].min() > train.value_E[~liked_E].max()
    assert world.data.provides() >= {{"rating": "ratings", "ctr": "labels"}[task], "text", "time"}


def test_time_orders_training_before_the_answer_without_ties():
    world = checkerboard(held_out=2)
    train = world.data.train
    for user in range(world.data.n_users):
        time = train.time_E[train.offset_U1[user] : train.offset_U1[user + 1]]
        assert (np.diff(time) > 0).all()
        assert world.held_time_H[world.held_user_H == user].min() > time.max()


def test_texts_tell_the_tastes_apart():
    world = checkerboard(tastes=3, items=18)
    words = [set(text.split()[1:5]) for text in world.data.item_text_I]
    for first in range(18):
        for second in range(18):
            shared = bool(words[first] & words[second])
            assert shared == (world.taste_I[first] == world.taste_I[second])
    assert len(set(world.data.item_text_I)) == 18
    assert checkerboard(texts=False).data.item_text_I is None


def test_the_seed_decides():
    first, same, other = checkerboard(), checkerboard(), checkerboard(seed=1)
    assert np.array_equal(first.data.train.item_E, same.data.train.item_E)
    assert first.data.item_text_I == same.data.item_text_I
    assert not np.array_equal(first.data.train.item_E, other.data.train.item_E)


@pytest.mark.parametrize("sizes", [{"users": 3}, {"items": 2}, {"tastes": 7}, {"tastes": 1}, {"held_out": 8}])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="no checkerboard of"):
        checkerboard(**sizes)


def test_written_files_hold_the_world(tmp_path):
    world = checkerboard(task="rating")
    path = world.write(tmp_path, held_out=True)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(world.data.train) + len(world.held_item_H)
    last = max((row for row in rows if row["user_id"] == "u0"), key=lambda row: int(row["timestamp"]))
    assert last["item_id"] == f"i{world.held_item_H[0]}"
    assert float(last["rating"]) == world.held_value_H[0]
    with (tmp_path / "items.csv").open(encoding="utf-8", newline="") as file:
        assert [row["title"] for row in csv.DictReader(file)] == world.data.item_text_I
    assert len(world.write(tmp_path).read_text("utf-8").splitlines()) == 1 + len(world.data.train)
