"""The parts that texts consist of: attributes that they name, and what is left of them.

T texts, P parts, B texts of a batch, N distinct parts' texts, D embedding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from reccli.nn.text_trunk import TextTrunk

__all__ = ["REST", "TextParts", "parts_of", "text_parts"]

REST = "the rest"
MOST_MISSING = 0.5
Int64 = npt.NDArray[np.int64]
TIDY = ((r"\(\s*(?:[,;/]\s*)+", "("), (r"(?:\s*[,;/])+\s*\)", ")"), (r"\(\s*\)", ""), (r"\s+", " "))


def text_parts(texts: Sequence[str], attributes: Mapping[str, Sequence[object]]) -> dict[str, list[str]]:
    """Take texts apart.

    An attribute is a part if it has two values or more, and at least half of the texts of rows that have one name it.
    What is left of a text when its attributes are cut out, each where it stands last, is a part too.

    Args:
        texts: The texts.
        attributes: Columns by name, a row for each text; entries of a list are named with commas between them.

    Returns:
        Texts of the parts by name, "" where a row has none; empty if texts do not consist of two parts or more.
    """
    shown = {name: [_shown(value) for value in column] for name, column in attributes.items()}
    plain = [_shown(text) for text in texts]
    found = {name: column for name, column in shown.items() if _is_part(plain, column)}
    if not found:
        return {}
    rest = list(plain)
    parts: dict[str, list[str]] = {name: [""] * len(rest) for name in found}
    for row in range(len(rest)):
        for name in sorted(found, key=lambda name: -len(found[name][row])):  # a short value may stand in a longer one
            value = found[name][row]
            begin = rest[row].rfind(value) if value else -1
            if begin >= 0:
                parts[name][row] = value
                rest[row] = rest[row][:begin] + rest[row][begin + len(value) :]
    parts[REST] = [_tidy(text) for text in rest]
    parts = {name: column for name, column in parts.items() if len({text for text in column if text}) > 1}
    return parts if len(parts) > 1 else {}


def _is_part(texts: Sequence[str], column: Sequence[str]) -> bool:
    there = [value in text for text, value in zip(texts, column, strict=True) if value]
    return len({value for value in column if value}) > 1 and sum(there) >= MOST_MISSING * len(there)


def _shown(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return re.sub(r"\s+", " ", re.sub(r"\s*\|\s*", ", ", text)).strip()


def _tidy(text: str) -> str:
    for pattern, replacement in TIDY:
        text = re.sub(pattern, replacement, text)
    return text.strip(" ,;:/-")


def parts_of(trunk: TextTrunk, attributes: Mapping[str, Sequence[object]]) -> TextParts | None:
    """Return the parts of the texts that a model is trained on, None where they do not consist of two or more.

    Args:
        trunk: The text model.
        attributes: Columns of the items by name; of items with one text, the first counts.
    """
    item_N = np.flatnonzero(trunk.text_I >= 0)
    _, first_T = np.unique(trunk.text_I[item_N], return_index=True)
    columns = {name: [column[item] for item in item_N[first_T]] for name, column in attributes.items()}
    found = text_parts(trunk.texts, columns)
    return TextParts(trunk, found) if found else None


class TextParts:
    """The parts of the distinct texts of a text model under training, each encoded as a text of its own.

    Args:
        trunk: The text model.
        parts: As of `text_parts`, a row for each distinct text.
    """

    def __init__(self, trunk: TextTrunk, parts: Mapping[str, Sequence[str]]) -> None:
        self.trunk, self.names = trunk, tuple(parts)
        self.texts = sorted({text for column in parts.values() for text in column if text})
        code = {text: number for number, text in enumerate(self.texts)}
        self.code_PT = np.array([[code.get(text, -1) for text in column] for column in parts.values()], np.int64)
        self.tokens = trunk.source.tower.tokenise(trunk.usage.items(self.texts))

    def vectors(self, *, cached: bool = False) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]]:
        """Yield for each part the unit vectors by the weights as they are now, TD, and which texts have the part, T."""
        vector_ND = self.trunk.source.vectors(self.trunk.usage.items(self.texts), cached=cached)
        for code_T in self.code_PT:
            yield vector_ND[code_T], code_T >= 0

    def drawn(self, text_B: Int64, generator: np.random.Generator) -> tuple[Int64, Int64]:
        """Draw one part of each text; return which it is, B, and its own text, B; both -1 where a text has none."""
        has_PB = self.code_PT[:, text_B] >= 0
        chance_PB = np.where(has_PB, generator.random(has_PB.shape), -1.0)
        part_B = np.where(has_PB.any(0), chance_PB.argmax(0), -1)
        return part_B, np.where(part_B >= 0, self.code_PT[part_B, text_B], -1)
