from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from reccli.api import Context
from reccli.nn.tables import item_table, random_table, spectral_start, table_from, user_item_tables
from reccli.testing import checkerboard


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_keeps_directions_and_sets_the_scale() -> None:
    given = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32) * 7
    table = table_from(given, 4, std=0.1, generator=generator()).detach()
    torch.testing.assert_close(table / table.norm(), torch.from_numpy(given) / np.linalg.norm(given).item())
    assert table.square().mean().sqrt().item() == np.float32(0.1) or abs(table.square().mean().sqrt() - 0.1) < 1e-6


def test_pads_truncates_and_gives_the_unknown_a_direction() -> None:
    given = np.ones((3, 4), np.float32)
    given[1] = 0
    wide = table_from(given, 6, std=0.1, generator=generator()).detach()
    assert wide.shape == (3, 6)
    assert bool((wide != 0).all())
    assert wide[1].norm() < 0.3 * wide[0].norm()
    assert table_from(given, 2, std=0.1, generator=generator()).shape == (3, 2)


def test_start_comes_from_pretraining_where_there_is_some() -> None:
    data = checkerboard().data
    user, item = spectral_start(data, Context(), 3)
    assert user.shape == (data.n_users, 3)
    assert item.shape == (data.n_items, 3)
    from dataclasses import replace

    marked = np.full((data.n_items, 5), 2.0, np.float32)
    _, taken = spectral_start(replace(data, features={"spectral": marked}), Context(), 3)
    assert (taken == 2.0).all()
    assert taken.shape == (data.n_items, 3)
    _, small = spectral_start(replace(data, features={"spectral": marked}), Context(), 8)
    assert not (small == 2.0).any(), "a pretrained spectrum that is too narrow is made anew"


def test_item_tables_start_as_their_task_asks() -> None:
    world = checkerboard(users=12, items=8)
    tables = {}
    for start, task in (("auto", "ranking"), ("spectrum", "ranking"), ("auto", "rating"), ("random", "ranking")):
        data = replace(world.data, task=task)
        tables[start, task] = item_table(data, Context(seed=3), 4, start=start, std=0.1, name="some")
    assert torch.equal(tables["auto", "ranking"], tables["spectrum", "ranking"])
    assert torch.equal(tables["auto", "rating"], tables["random", "ranking"])
    assert not torch.equal(tables["auto", "ranking"], tables["random", "ranking"])
    restored = item_table(world.data, Context(seed=3, restoring=True), 4, start="spectrum", std=0.1, name="some")
    assert torch.equal(restored, tables["random", "ranking"])  # what is loaded takes its place


def test_tables_of_users_and_items_draw_one_after_the_other() -> None:
    data, context = checkerboard().data, Context(seed=3)
    user, item = user_item_tables(data, context, 4, start="random", std=0.2, name="some")
    draw = context.generator("some tables")
    for table, rows in ((user, data.n_users), (item, data.n_items)):
        torch.testing.assert_close(table.detach(), random_table(rows, 4, std=0.2, generator=draw).detach())
    rated = user_item_tables(replace(data, task="rating"), context, 4, start="auto", std=0.2, name="some")
    assert torch.equal(rated[0], user)
    spectral = user_item_tables(data, context, 4, start="auto", std=0.2, name="some")
    draw = context.generator("some tables")
    for table, part in zip(spectral, spectral_start(data, context, 4), strict=True):
        torch.testing.assert_close(table.detach(), table_from(part, 4, std=0.2, generator=draw).detach())
    opened = user_item_tables(data, replace(context, restoring=True), 4, start="spectrum", std=0.2, name="some")
    assert torch.equal(opened[1], item)
