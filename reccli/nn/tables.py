"""Tables of vectors by code, and what they start from. U users, I items, R rows, D embedding."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from reccli.api.component import Context
from reccli.api.data import TrainingData
from reccli.nn.spectral import normalised, spectrum

__all__ = [
    "first_vectors",
    "item_table",
    "look_up",
    "random_table",
    "spectral_start",
    "start_of",
    "table_from",
    "user_item_tables",
]

Float32 = npt.NDArray[np.float32]
LEARNED = ("graph_views", "negative_sampling")
"""Features of items that id tables start from; those of users end in `_users`."""


def look_up(table_RD: Tensor, code_N: Tensor) -> Tensor:
    """Return rows by code, ND; its backward is faster than that of indexing."""
    return functional.embedding(code_N, table_RD)


def random_table(rows: int, size: int, *, std: float, generator: torch.Generator) -> nn.Parameter:
    """Return a table of normal draws."""
    return nn.Parameter(torch.randn(rows, size, generator=generator) * std)


def table_from(vector_RD: Float32, size: int, *, std: float, generator: torch.Generator) -> nn.Parameter:
    """Return a table that starts from given vectors, brought to `size` columns and a typical entry of `std`.

    Columns beyond `size` are dropped. Missing columns, and rows without a vector (all zeros), get small draws: a zero
    has no direction and would never leave the spot under a cosine.
    """
    given_RD = torch.from_numpy(np.array(vector_RD[:, :size], dtype=np.float32))
    noise_RD = torch.randn(len(given_RD), size, generator=generator) * (0.1 * std)
    known_R = given_RD.square().sum(1) > 0
    scale = given_RD[known_R].square().mean().sqrt() if bool(known_R.any()) else torch.ones(())
    table_RD = noise_RD.clone()
    width = given_RD.shape[1]
    table_RD[:, :width] = torch.where(known_R[:, None], given_RD * (std / scale), noise_RD[:, :width])
    return nn.Parameter(table_RD)


def start_of(start: str, task: str) -> str:
    """Return `spectrum` or `random`; `auto` is random for ratings and labels."""
    return start if start != "auto" else "spectrum" if task == "ranking" else "random"


def first_vectors(offered: Mapping[str, int], size: int, *, start: str, task: str) -> frozenset[str]:
    """Return the features that tables start from (see `Encoder.starts_from`): one of those of `spectral_start`.

    Args:
        offered: Names of features, with their widths.
        size: Width of the tables: a narrower spectrum does not do.
        start: `spectrum`, `random` or `auto`.
        task: What is trained for.
    """
    if start_of(start, task) == "random":
        return frozenset()
    for name in LEARNED:
        if name in offered and f"{name}_users" in offered:
            return frozenset({name, f"{name}_users"})
    return frozenset({"spectral"}) if offered.get("spectral", 0) >= size else frozenset()


def user_item_tables(
    data: TrainingData, context: Context, size: int, *, start: str, std: float, name: str
) -> tuple[nn.Parameter, nn.Parameter]:
    """Return tables of user and of item vectors, UD and ID; arguments as of `item_table`."""
    generator = context.generator(f"{name} tables")
    if start_of(start, data.task) == "random" or context.restoring:
        user_UD, item_ID = (
            random_table(rows, size, std=std, generator=generator) for rows in (data.n_users, data.n_items)
        )
    else:
        user_UD, item_ID = (
            table_from(part, size, std=std, generator=generator) for part in spectral_start(data, context, size)
        )
    return user_UD, item_ID


def item_table(data: TrainingData, context: Context, size: int, *, start: str, std: float, name: str) -> nn.Parameter:
    """Return a table of item vectors, ID.

    Args:
        data: Training data.
        context: Decides the draws.
        size: D.
        start: `spectrum`, `random`, or `auto`: random for ratings and labels, else the spectrum.
        std: Typical entry.
        name: Of the encoder, for its draws.
    """
    generator = context.generator(f"{name} table")
    if start_of(start, data.task) == "random" or context.restoring:
        return random_table(data.n_items, size, std=std, generator=generator)
    _, item_IR = spectral_start(data, context, size)
    return table_from(item_IR, size, std=std, generator=generator)


def spectral_start(data: TrainingData, context: Context, size: int) -> tuple[Float32, Float32]:
    """Return start vectors of users and items, at most `size` wide, from the spectrum of the interactions.

    Where an objective of pre-training has learned vectors of items and users (`graph-views`, `negative-sampling`),
    these are the start instead. Otherwise items are the right singular vectors V (those of a `spectral` pre-training
    where there are some); users are what the normalised matrix makes of them, `sum over the history of
    (d_u d_i)^(-1/2) V_i`, with `d` the interactions.
    """
    widths = {name: array.shape[1] for name, array in data.features.items()}
    found = first_vectors(widths, size, start="spectrum", task=data.task)
    learned = next((name for name in LEARNED if name in found), None)
    if learned is not None:
        context.say(f"tables start from the vectors of {learned.replace('_', '-')}")
        return data.features[f"{learned}_users"][:, :size], data.features[learned][:, :size]
    if found:
        item_IR = data.features["spectral"]
    else:
        item_IR = spectrum(data.train, size, generator=context.numpy_generator("spectral")).item_IR
    item_IR = np.asarray(item_IR[:, :size], np.float32)
    matrix, _, _ = normalised(data.train)
    return np.asarray(matrix @ item_IR, np.float32), item_IR
