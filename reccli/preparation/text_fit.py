"""Whether texts stand beside their own items: a join that is off by one row spoils all of them and fails nowhere.

U users, I items, V words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import polars as pl
    from scipy.sparse import csr_matrix

__all__ = ["TextFit", "text_fit"]

MOST_ROWS = 300_000
FEWEST_ROWS = 1_000
COMMON = 0.05
"""Share of items from which a word tells nothing of taste."""
BLOCK_USERS = 1024
FAR = (-5, -4, -3, 3, 4, 5)
"""Moves that are no plausible mistake: what they reach is chance."""


@dataclass(frozen=True)
class TextFit:
    """How much more often than chance people meet items that share words.

    Args:
        own: 1 is chance; by the texts as they stand.
        moved: The same with each text moved to the item whose number is higher by `by`.
        by: The better one of -1 and 1.
        chance: The most that a farther move reaches.
    """

    own: float
    moved: float
    by: int
    chance: float

    @property
    def warning(self) -> str | None:
        """What to tell people, where the texts seem to be off by one."""
        above = self.moved - 1.0
        if above <= 1.5 * (self.own - 1.0) or above <= 3.0 * (self.chance - 1.0) or above <= 0.05:
            return None
        there = "higher" if self.by > 0 else "lower"
        return (
            f"texts may be off by one: items that share words are met together {self.own:.2f} times as often as chance,"
            f" with each text moved to the next {there} item id {self.moved:.2f} times;"
            " check how ids and texts were joined"
        )


def text_fit(rows: pl.DataFrame, items: pl.DataFrame) -> TextFit | None:
    """Compare texts as they stand with texts moved by one item id.

    ::

        lift = sum over users of pairs of their items of <t_i, t_j>  /  the same with users' items drawn by popularity

    with `t` unit rows of words, weighted by their rarity.

    Args:
        rows: Interactions of the train part: `user`, `item`.
        items: The catalogue in code order: `item_id`, `text`.

    Returns:
        None where ids are no numbers, texts are missing, or rows are too few to tell.
    """
    import polars as pl

    number_I = items["item_id"].cast(pl.Int64, strict=False)
    if number_I.null_count() or rows.height < FEWEST_ROWS or items["text"].null_count() == items.height:
        return None
    met_UI = _met(rows, items.height)
    word_IV = _words(items["text"])
    if not word_IV.nnz or not met_UI.nnz:
        return None
    count_I = np.asarray(met_UI.sum(axis=0)).ravel()
    length_U = np.asarray(met_UI.sum(axis=1)).ravel()
    together = float((length_U**2).sum() / length_U.sum() ** 2)
    lift = {by: _lift(met_UI, _moved(word_IV, number_I.to_numpy(), by), count_I, together) for by in (-1, 0, 1, *FAR)}
    by = max((-1, 1), key=lambda move: lift[move])
    return TextFit(lift[0], lift[by], by, max(lift[move] for move in FAR))


def _met(rows: pl.DataFrame, n_items: int) -> csr_matrix:
    """Return which user has met which item, of the first users up to some rows, UI."""
    from scipy.sparse import csr_matrix

    user_E = rows["user"].to_numpy().astype(np.int64)
    item_E = rows["item"].to_numpy().astype(np.int64)
    if len(user_E) > MOST_ROWS:
        last = np.sort(user_E)[MOST_ROWS]
        user_E, item_E = user_E[user_E < last], item_E[user_E < last]
    matrix = csr_matrix((np.ones(len(user_E)), (user_E, item_E)), shape=(int(user_E.max(initial=0)) + 1, n_items))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def _words(text_I: pl.Series) -> csr_matrix:
    """Return unit rows of the words that at least two texts have and few texts lack, rarer ones heavier, IV."""
    import polars as pl
    from scipy.sparse import csr_matrix, diags_array

    words = (
        pl.DataFrame({"item": pl.int_range(len(text_I), dtype=pl.UInt32, eager=True), "text": text_I.fill_null("")})
        .with_columns(word=pl.col("text").str.to_lowercase().str.extract_all(r"\w+"))
        .select("item", "word")
        .explode("word", empty_as_null=True)
        .drop_nulls()
        .unique()
        .with_columns(texts=pl.len().over("word"))
        .filter((pl.col("texts") >= 2) & (pl.col("texts") <= COMMON * len(text_I)))
        .with_columns(code=pl.col("word").rank("dense").cast(pl.Int64) - 1)
    )
    weight_E = np.log(len(text_I) / words["texts"].to_numpy())
    place = (words["item"].to_numpy(), words["code"].to_numpy())
    width = int(words["code"].max() or 0) + 1  # type: ignore[arg-type]
    matrix = csr_matrix((weight_E, place), shape=(len(text_I), width))
    norm_I = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return (diags_array(1.0 / np.maximum(norm_I, 1e-12)) @ matrix).tocsr()


def _moved(word_IV: csr_matrix, number_I: npt.NDArray[np.int64], by: int) -> csr_matrix:
    """Return the texts with each one at the item whose number is higher by `by`; none where there is no such text."""
    from scipy.sparse import diags_array

    order = np.argsort(number_I, kind="stable")
    place = np.searchsorted(number_I[order], number_I - by).clip(0, len(order) - 1)
    source_I = order[place]
    there_I = number_I[source_I] == number_I - by
    return (diags_array(there_I.astype(np.float64)) @ word_IV[source_I]).tocsr()


def _lift(met_UI: csr_matrix, word_IV: csr_matrix, count_I: Any, together: float) -> float:
    """Return observed over expected products of the words of two items that a user has met."""
    square_I = np.asarray(word_IV.multiply(word_IV).sum(axis=1)).ravel()
    total = 0.0
    for low in range(0, met_UI.shape[0], BLOCK_USERS):  # the words of all that all users have met may fill the memory
        sum_BV = met_UI[low : low + BLOCK_USERS] @ word_IV
        total += float(np.square(sum_BV.data).sum())
    observed = total - float(count_I @ square_I)
    all_V = count_I @ word_IV
    expected = together * float(all_V @ all_V - (count_I**2) @ square_I)
    return observed / expected if expected > 0 else 1.0
