"""What evaluate and recommend share: a run's vectors for histories as they stood at some time, and what it can reach.

U users, I items, D embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reccli.api.data import Histories
from reccli.api.vectors import MixedVectors, any_numbers, pair_products
from reccli.artifacts import Prepared, read_vectors
from reccli.errors import ConfigError
from reccli.workspace import Version

if TYPE_CHECKING:
    from reccli.retrieval.topk import Found

__all__ = ["Served", "Stored", "popularity_scores"]

Float32 = npt.NDArray[np.float32]
Stored = Float32 | MixedVectors
LACKS = {
    "serves_new_users": (
        "knows only the users it was trained on",
        "train one that reads histories: reccli finetune --encoder history",
    ),
    "serves_new_items": (
        "knows only the items it was trained on",
        "train one that reads texts: reccli finetune --encoder bert",
    ),
    "serves_user_texts": (
        "does not read texts of users",
        "train one that does: reccli finetune --encoder bert",
    ),
}


@dataclass(frozen=True)
class Served:
    """A finetune run, asked for users as of some parts of the data.

    Args:
        version: The run.
        prepared: The prepared data it was trained on.
        parts: Parts of the data that count as known.
        device: Torch device name for encoding.
    """

    version: Version
    prepared: Prepared
    parts: tuple[str, ...]
    device: str = "cpu"

    @property
    def name(self) -> str:
        """Name of the run, and of what is written by it."""
        return self.version.name

    @property
    def title(self) -> str:
        """Name for people."""
        return self.version.name

    @property
    def versions(self) -> tuple[Version, ...]:
        """The run, or all runs of an ensemble."""
        return (self.version,)

    @property
    def facts(self) -> dict[str, Any]:
        """The run's facts."""
        return self.version.manifest.facts

    @property
    def trained_parts(self) -> tuple[str, ...]:
        """Parts of the data that the run learned from."""
        return tuple(self.facts["parts"])

    @cached_property
    def histories(self) -> Histories:
        """Known interactions of all users."""
        return self.prepared.histories(*self.parts)

    @cached_property
    def item_ID(self) -> Stored:
        """Stored item vectors."""
        return read_vectors(self.version, "item_vectors", sparse_columns=self.facts.get("sparse_columns"))

    @cached_property
    def user_UD(self) -> Stored:
        """User vectors that know what `parts` know, where the encoder can; else as they were trained."""
        if self.facts.get("serves_new_users") and set(self.parts) != set(self.trained_parts):
            return self.encode(self.histories)
        return read_vectors(self.version, "user_vectors", sparse_columns=self.facts.get("sparse_columns"))

    @cached_property
    def fitted(self) -> Any:
        """The run's encoder with its weights."""
        from reccli.training.restore import load_encoder

        return load_encoder(self.version, self.prepared, device=self.device)

    def knowing(self, parts: tuple[str, ...]) -> Served:
        """Return the same run, asked for users as of other parts."""
        return replace(self, parts=parts)

    def encode(self, histories: Histories) -> Stored:
        """Return stored vectors of users given by history.

        Raises:
            ConfigError: The encoder knows only the users it was trained on.
        """
        self.require("serves_new_users")
        vectors = self.fitted.user_vectors(histories)
        return vectors if isinstance(vectors, MixedVectors) else np.asarray(vectors, dtype=np.float32)

    def encode_items(self, texts: Sequence[str]) -> Stored:
        """Return stored vectors of items given by text, ND.

        Raises:
            ConfigError: The encoder knows only the items it was trained on.
        """
        self.require("serves_new_items")
        return np.asarray(self.fitted.text_vectors(texts), dtype=np.float32)

    def encode_user_texts(self, texts: Sequence[str]) -> Stored:
        """Return stored vectors of users given by text, ND.

        Raises:
            ConfigError: The encoder does not read texts of users.
        """
        self.require("serves_user_texts")
        return np.asarray(self.fitted.user_text_vectors(texts), dtype=np.float32)

    def pair_scores(self, user_R: npt.NDArray[np.int64], item_R: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the scores of pairs: the product of stored vectors, and what a joint encoder adds, R."""
        score_R = pair_products(self.user_UD[user_R], self.item_ID[item_R])
        if self.facts.get("joint"):
            score_R = score_R + self.fitted.pair_scores(user_R, item_R, self.histories)
        return np.asarray(score_R, np.float64)

    def lists(
        self,
        row_V: npt.NDArray[np.int64],
        *,
        k: int,
        seen: Histories,
        allowed_I: npt.NDArray[np.bool_],
        pairs: Histories | None = None,
    ) -> Found:
        """Return the best items of some users.

        Args:
            row_V: User codes.
            k: List length.
            seen: Items that are not listed, a row for each user asked for.
            allowed_I: Items that may be listed.
            pairs: Items whose places to count, rows as of `seen`, or None.
        """
        from reccli.retrieval.topk import search

        users, device = self.user_UD[row_V], self.device
        return search(users, self.item_ID, k=k, seen=seen, allowed_I=allowed_I, pairs=pairs, device=device)

    def require(self, ability: str) -> None:
        """Refuse what the encoder of the run cannot do.

        Args:
            ability: `serves_new_users`, `serves_new_items` or `serves_user_texts`.

        Raises:
            ConfigError: With an encoder that can.
        """
        if not self.facts.get(ability):
            what, hint = LACKS[ability]
            encoder = self.version.manifest.settings.get("encoder")
            raise ConfigError(f"encoder '{encoder}' of run '{self.title}' {what}", hint=hint)

    @cached_property
    def reachable_I(self) -> npt.NDArray[np.bool_]:
        """Items that the run has a vector of its own for."""
        if self.facts.get("serves_new_items"):
            return np.ones(self.prepared.items.height, np.bool_)
        known = np.bincount(self.prepared.histories(*self.trained_parts).item_E, minlength=self.prepared.items.height)
        return known > 0

    @cached_property
    def reachable_U(self) -> npt.NDArray[np.bool_]:
        """Users that the run has a vector of its own for."""
        if self.facts.get("serves_new_users"):
            return self.histories.length_U > 0
        if self.facts.get("users_by_text"):
            return any_numbers(self.user_UD)
        return self.prepared.histories(*self.trained_parts).length_U > 0


def popularity_scores(histories: Histories) -> Float32:
    """Score of each item for users without a history: log(1 + interactions), as a 1-d vector; shape I x 1."""
    count_I = np.bincount(histories.item_E, minlength=histories.n_items)
    return np.log1p(count_I).astype(np.float32)[:, None]
