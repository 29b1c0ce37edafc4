"""A workspace made from files: a world of two tastes with titles and genres, prepared by the stage itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reccli.settings import PrepareSettings
from reccli.stages.common import Control
from reccli.stages.prepare import Sources, prepare
from reccli.testing import checkerboard
from reccli.workspace import Workspace

GENRES = ("space|robot", "wedding|dance")


def shop(
    folder: Path,
    *,
    users: int = 24,
    items: int = 16,
    user_texts: bool = False,
    with_items: bool = True,
    **settings: Any,
) -> Workspace:
    """Write ratings and items of two tastes as CSV, prepare them (ratings alone if so wanted), return the workspace."""
    world = checkerboard(users=users, items=items, held_out=1, task=settings.get("task", "ranking"))
    train = world.data.train
    rows = list(zip(train.user_E, train.item_E, train.value_E, train.time_E // 1_000_000, strict=True))
    rows += list(zip(world.held_user_H, world.held_item_H, world.held_value_H, world.held_time_H // 10**6, strict=True))
    lines = [f"u{user},i{item},{value:g},{time}" for user, item, value, time in rows]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ratings.csv").write_text("\n".join(["user,item,rating,timestamp", *lines]) + "\n")
    texts = list(world.data.item_text_I or ())
    lines = [f'i{item},"{text}",{GENRES[item % 2]}' for item, text in enumerate(texts)]
    if with_items:
        (folder / "items.csv").write_text("\n".join(["item,title,genres", *lines]) + "\n")
    sources = Sources((folder / "ratings.csv",), folder / "items.csv" if with_items else None)
    if user_texts:
        lines = [f'u{user},"{text}"' for user, text in enumerate(world.data.user_text_U or ())]
        (folder / "users.csv").write_text("\n".join(["user,wants", *lines]) + "\n")
        sources = Sources(sources.interactions, sources.items, folder / "users.csv")
    workspace = Workspace(folder / "workspace")
    prepare(workspace, sources, PrepareSettings(**settings), Control())
    return workspace
