"""Known-answer worlds: small made-up data in which the right recommendation is certain.

U users, I items, E interactions, H held-out pairs, D embedding.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reccli.api import Histories, TrainingData

__all__ = ["World", "checkerboard", "held_out_first"]

Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]

START = 1_600_000_000
"""Seconds since 1970 of a world's first interaction."""

THEMES = (
    ("space", "rocket", "robot", "planet", "laser", "alien"),
    ("wedding", "kiss", "garden", "letter", "dance", "summer"),
    ("detective", "murder", "clue", "alibi", "witness", "fog"),
    ("dragon", "castle", "wizard", "sword", "forest", "crown"),
    ("kitchen", "recipe", "bread", "spice", "market", "feast"),
    ("football", "stadium", "coach", "goal", "season", "league"),
)


@dataclass(frozen=True)
class World:
    """Data whose answer is known.

    Args:
        data: What a component may learn from.
        held_user_H: Users of the held-out pairs, in order; each user comes `held_out` times.
        held_item_H: The item that each of them must be recommended.
        held_value_H: Its rating or label (1.0 in a ranking world).
        held_time_H: Its time in microseconds, later than all of the user's training.
        taste_U: Taste of each user.
        taste_I: Taste of each item.
    """

    data: TrainingData
    held_user_H: Int64
    held_item_H: Int64
    held_value_H: Float32
    held_time_H: Int64
    taste_U: Int64
    taste_I: Int64

    def write(self, folder: Path, *, held_out: bool = False) -> Path:
        """Write `ratings.csv` and, where items have texts, `items.csv` for the command line; return the ratings' path.

        Args:
            folder: An existing folder.
            held_out: Whether the held-out pairs are written too, as each user's latest.
        """
        train = self.data.train
        columns: list[npt.NDArray[Any]] = [train.user_E, train.item_E, train.value_E, train.time_E]
        if held_out:
            held: list[npt.NDArray[Any]] = [self.held_user_H, self.held_item_H, self.held_value_H, self.held_time_H]
            columns = [np.concatenate(pair) for pair in zip(columns, held, strict=True)]
        rows = zip(*columns, strict=True)
        lines = [f"u{user},i{item},{value:g},{time // 1_000_000}" for user, item, value, time in rows]
        path = folder / "ratings.csv"
        path.write_text("\n".join(["user_id,item_id,rating,timestamp", *lines]) + "\n", encoding="utf-8")
        if self.data.item_text_I is not None:
            items = [f"i{item},{json.dumps(text)}" for item, text in enumerate(self.data.item_text_I)]
            (folder / "items.csv").write_text("\n".join(["item_id,title", *items]) + "\n", encoding="utf-8")
        return path


def checkerboard(
    *,
    users: int = 24,
    items: int = 16,
    tastes: int = 2,
    held_out: int = 1,
    task: str = "ranking",
    texts: bool = True,
    ordered: bool = True,
    seed: int = 0,
) -> World:
    """Build a world of blocks: user u and item i share a taste where `u % tastes == i % tastes`.

    A user has met every item of its own taste but `held_out`; those are the answer, and each has been met by others of
    the taste. With task `rating` or `ctr` a user has also met about half of the other tastes' items, and rated them low
    (1 or 2 against 4 or 5) or left them unclicked (0 against 1).

    Args:
        users: Number of users, at least 2 per taste.
        items: Number of items; a taste's share must be more than `held_out`.
        tastes: Blocks, 2 to 6.
        held_out: Items kept from each user.
        task: `ranking`, `rating` or `ctr`.
        texts: Whether items (and users) have texts, made of words of the taste and of a number.
        ordered: Whether the data says that time is an order; a user's items come in a random order of its own.
        seed: Decides orders, words, and which items of other tastes a user has met.

    Raises:
        ValueError: The sizes leave an item or a user without training data.
    """
    if not 2 <= tastes <= len(THEMES) or users < 2 * tastes or items // tastes <= held_out:
        raise ValueError(f"no checkerboard of {users} users, {items} items, {tastes} tastes, {held_out} held out")
    rng = np.random.default_rng(seed)
    taste_U, taste_I = np.arange(users) % tastes, np.arange(items) % tastes
    rows: list[tuple[int, int, float, int]] = []
    held: list[tuple[int, int, float, int]] = []
    for user in range(users):
        own = np.flatnonzero(taste_I == taste_U[user])
        answer = {int(own[(user // tastes * held_out + step) % len(own)]) for step in range(held_out)}
        other = np.flatnonzero(taste_I != taste_U[user])
        met = [] if task == "ranking" else rng.permutation(other)[: len(other) // 2].tolist()
        first = START + user * 86_400
        order = rng.permutation([item for item in [*own.tolist(), *met] if item not in answer]).tolist()
        for step, item in enumerate([*order, *sorted(answer)]):
            value = _value(task, bool(taste_I[item] == taste_U[user]), rng)
            target = held if item in answer else rows
            target.append((user, item, value, (first + 60 * step) * 1_000_000))
    data = TrainingData(
        train=_histories(rows, users, items),
        item_text_I=[_text(int(taste), item, rng) for item, taste in enumerate(taste_I)] if texts else None,
        user_text_U=[f"likes {' '.join(THEMES[taste][:3])}" for taste in taste_U] if texts else None,
        ordered=ordered,
        task=task,
    )
    held_user, held_item, held_value, held_time = zip(*held, strict=True)
    return World(
        data,
        np.array(held_user, np.int64),
        np.array(held_item, np.int64),
        np.array(held_value, np.float32),
        np.array(held_time, np.int64),
        taste_U.astype(np.int64),
        taste_I.astype(np.int64),
    )


def held_out_first(user_vectors: npt.ArrayLike, item_vectors: npt.ArrayLike, world: World) -> float:
    """Return the share of held-out items that stand first among the items that their user has not met.

    First means ahead of every such item that is not held out itself. Scores are dot products; of equal scores the
    answer is taken to be the last, so that constant vectors earn nothing.

    Args:
        user_vectors: UD, as an encoder exports them (after `stored_users`).
        item_vectors: ID, as an encoder exports them (after `stored_items`).
        world: The world they were learned in.
    """
    score_UI = np.asarray(user_vectors, np.float64) @ np.asarray(item_vectors, np.float64).T
    train = world.data.train
    score_UI[train.user_E, train.item_E] = -np.inf
    found = 0
    for user in range(world.data.n_users):
        answer = world.held_item_H[world.held_user_H == user]
        others = np.delete(score_UI[user], answer)
        rivals = (others[None, :] >= score_UI[user, answer][:, None]).sum(axis=1)
        found += int((rivals == 0).sum())
    return found / len(world.held_item_H)


def _value(task: str, liked: bool, rng: np.random.Generator) -> float:
    if task == "rating":
        return float(rng.integers(4, 6) if liked else rng.integers(1, 3))
    return float(liked) if task == "ctr" else 1.0


def _text(taste: int, item: int, rng: np.random.Generator) -> str:
    words = rng.permutation(THEMES[taste])[:4].tolist()
    return f"The {' '.join(words)} story, part {item}"


def _histories(rows: list[tuple[int, int, float, int]], users: int, items: int) -> Histories:
    user, item, value, time = zip(*rows, strict=True)
    return Histories.from_arrays(user, item, n_users=users, n_items=items, value_E=value, time_E=time)
