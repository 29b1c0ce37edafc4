"""Who gets a list, and by which vectors. U users asked for, D embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories
from reccli.errors import DataError, one_of
from reccli.settings import RecommendSettings
from reccli.stages.serving import Served, Stored

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Asked", "ask", "codes_of"]

HINTS = {
    "user": "an unseen user is served from a history: reccli recommend --history ITEM,ITEM",
    "item": "ids are as in the data, several as --history ID,ID, those with a comma in quotes as in CSV",
}

HISTORY_USER = "history"
TEXT_USER = "text"


@dataclass(frozen=True)
class Asked:
    """Who gets a list: their ids, known interactions and vectors, row by row."""

    ids: Sequence[str]
    histories: Histories
    vector_UD: Stored
    served_U: npt.NDArray[np.bool_]
    code_U: npt.NDArray[np.int64] | None = None


def ask(served: Served, settings: RecommendSettings) -> Asked:
    """Return who gets a list of a run: given users, all users, or one who brings a history or words.

    Raises:
        ConfigError: The run's encoder cannot serve who asks.
        DataError: An id is not in the data.
    """
    prepared = served.prepared
    if settings.user_text is not None:
        nothing = Histories.from_arrays([], [], n_users=1, n_items=prepared.items.height)
        vector_UD = served.encode_user_texts([settings.user_text])
        return Asked([TEXT_USER], nothing, vector_UD, np.ones(1, np.bool_))
    if settings.history:
        codes = codes_of("item", settings.history, prepared.items["item_id"])
        order = np.arange(len(codes))  # the order given is the order in time
        histories = Histories.from_arrays(
            np.zeros(len(codes)), codes, n_users=1, n_items=prepared.items.height, time_E=order
        )
        return Asked([HISTORY_USER], histories, served.encode(histories), np.ones(1, np.bool_))
    known = prepared.users["user_id"]
    codes = codes_of("user", settings.users, known) if settings.users else np.arange(len(known))
    ids = known.gather(codes).to_list()
    return Asked(ids, served.histories.rows(codes), served.user_UD[codes], served.reachable_U[codes], codes)


def codes_of(kind: str, ids: Sequence[str], all_ids: pl.Series) -> npt.NDArray[np.int64]:
    """Return the codes of ids.

    Raises:
        DataError: An id is not in the data; with the nearest one.
    """
    known = all_ids.to_list()
    code_of = dict(zip(known, range(len(known)), strict=True))
    missing = [name for name in ids if name not in code_of]
    if missing:
        error = one_of(kind, missing[0], known, error=DataError, listed=False)
        error.hint = HINTS[kind]
        raise error
    return np.array([code_of[name] for name in ids], dtype=np.int64)
