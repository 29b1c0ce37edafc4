"""A workspace in which a world is committed as prepared data, without files."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from reccli.artifacts import Prepared
from reccli.manifest import Manifest
from reccli.testing.worlds import World
from reccli.workspace import Workspace


def prepare(workspace: Workspace, world: World, *, split: str = "random") -> Prepared:
    """Commit a world as prepared data, its held-out pairs as the validation part."""
    train, task = world.data.train, world.data.task
    parts = [
        (train.user_E, train.item_E, train.value_E, train.time_E, "train"),
        (world.held_user_H, world.held_item_H, world.held_value_H, world.held_time_H, "valid"),
    ]
    rows = [
        pl.DataFrame(
            {
                "user": user.astype(np.uint32),
                "item": item.astype(np.uint32),
                "value": value.astype(np.float32),
                "weight": np.ones(len(user), np.float32),
                "time": time,
                "split": [part] * len(user),
            }
        )
        for user, item, value, time, part in parts
    ]
    names = {"user": train.n_users, "item": train.n_items}
    with workspace.writing(), workspace.draft("prepare") as draft:
        draft.write("interactions", pl.concat(rows))
        for name, count in names.items():
            columns: dict[str, Any] = {
                name: np.arange(count, dtype=np.uint32),
                f"{name}_id": [f"{name}{n}" for n in range(count)],
            }
            if name == "item":
                columns["title"] = pl.Series([None] * count, dtype=pl.String)
            columns["text"] = pl.Series([None] * count, dtype=pl.String)
            draft.write(f"{name}s", pl.DataFrame(columns))
        manifest = Manifest(stage="prepare", fingerprint="0123456789abcdef")
        manifest.facts = {"ordered": True, "task": task, "split": {"method": split}}
        return Prepared(workspace.commit(draft, "main", manifest))
