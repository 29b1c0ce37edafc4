"""Which texts share a category, and draws among them. T texts, M memberships, B texts of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

import numpy as np
import numpy.typing as npt

from reccli.errors import ConfigError

__all__ = ["Categories", "categories_of", "nothing_shared"]

Int64 = npt.NDArray[np.int64]
SEPARATORS = (",", ";", "|", "/")
"""What may stand between categories, for the hint."""


def categories_of(value: object, separator: str) -> list[str]:
    """Return the categories that an attribute names: those of a list, or the parts of a text."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return []
    parts = [str(part) for part in value] if isinstance(value, list | tuple) else str(value).split(separator)
    return [part.strip() for part in parts if part.strip()]


def nothing_shared(kind: str, attribute: str, values: Sequence[object], separator: str) -> ConfigError:
    """Build the error for categories that no two items share, with the separator that most values have as the hint.

    Args:
        kind: Of the component that wants them, as in `sampler`.
        attribute: Its name.
        values: One of each item.
        separator: What the component takes them apart by.
    """
    texts = [value for value in values if isinstance(value, str)]
    named = {mark: sum(mark in text for text in texts) for mark in SEPARATORS if mark != separator}
    mark = max(named, key=lambda one: named[one])
    return ConfigError(
        f"{kind}: no two items share a part of '{attribute}' between '{separator}'",
        hint="--set " + quote(f"{kind}.separator={mark}") if named[mark] else "take another attribute of items",
    )


class Categories:
    """The categories of texts; those of an item with several count all.

    Args:
        values: One attribute value per item.
        text_I: Number of each item's text, -1 for none.
        allowed_T: Texts that may be drawn.
        separator: What stands between the categories of a text value.
    """

    def __init__(
        self, values: Sequence[object], text_I: Int64, allowed_T: npt.NDArray[np.bool_], *, separator: str
    ) -> None:
        codes: dict[str, int] = {}
        pairs = {
            (int(text), codes.setdefault(name, len(codes)))
            for text, value in zip(text_I, values, strict=True)
            if text >= 0
            for name in categories_of(value, separator)
        }
        pair_M2 = np.array(sorted(pairs), np.int64).reshape(-1, 2)
        self.n_categories = len(codes)
        self._category_M = pair_M2[:, 1]
        self._begin_T1 = np.searchsorted(pair_M2[:, 0], np.arange(len(allowed_T) + 1))
        drawn_M2 = pair_M2[allowed_T[pair_M2[:, 0]]]
        drawn_M2 = drawn_M2[np.lexsort((drawn_M2[:, 0], drawn_M2[:, 1]))]
        self._text_M = drawn_M2[:, 0]
        self._begin_C1 = np.searchsorted(drawn_M2[:, 1], np.arange(len(codes) + 1))

    @property
    def shared(self) -> bool:
        """Whether there is another text to draw for any."""
        return bool((np.diff(self._begin_C1) > 1).any())

    def draw(self, text_B: Int64, generator: np.random.Generator) -> Int64:
        """Return for each text another one of one of its categories, B; -1 where there is none."""
        count_B = self._begin_T1[text_B + 1] - self._begin_T1[text_B]
        place_B = self._begin_T1[text_B] + (generator.random(len(text_B)) * count_B).astype(np.int64)
        has_B = count_B > 0
        category_B = np.where(has_B, self._category_M[np.where(has_B, place_B, 0)] if len(self._category_M) else 0, 0)
        begin_B = self._begin_C1[category_B] if self.n_categories else np.zeros(len(text_B), np.int64)
        size_B = self._begin_C1[category_B + 1] - begin_B if self.n_categories else begin_B
        drawn_B = begin_B + (generator.random(len(text_B)) * size_B).astype(np.int64)
        found_B = np.full(len(text_B), -1, np.int64)
        real_B = has_B & (size_B > 0)
        found_B[real_B] = self._text_M[drawn_B[real_B]]
        again_B = real_B & (found_B == text_B)  # itself: the next one of the category stands in for it
        following_B = begin_B + (drawn_B + 1 - begin_B) % np.maximum(size_B, 1)
        found_B[again_B] = self._text_M[following_B[again_B]]
        return np.where(found_B == text_B, -1, found_B)
