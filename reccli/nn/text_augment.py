"""Views of texts: tokens deleted, cropped and shuffled, words replaced by synonyms.

B texts of a batch, L tokens, N chosen tokens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reccli.errors import ConfigError

__all__ = ["crop_tokens", "delete_tokens", "replace_words", "shuffle_tokens", "synonym_table"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
WORD = re.compile(r"\w+")
MAX_BYTES = 64 << 20


def delete_tokens(may_BL: Bool, share: float, generator: np.random.Generator) -> Bool:
    """Return which tokens stay, BL, when each one that may go goes with a chance; one of those of a text stays."""
    gone_BL = may_BL & (generator.random(may_BL.shape) < share)
    return ~_sparing(gone_BL, may_BL, generator)


def crop_tokens(may_BL: Bool, share: float, generator: np.random.Generator) -> Bool:
    """Return which tokens stay, BL, when a share is cut away around a random span; at least one of a text stays."""
    count_B = may_BL.sum(axis=1)
    length_B = np.maximum(np.ceil(count_B * (1.0 - share)), 1).astype(np.int64)
    start_B = (generator.random(len(may_BL)) * (count_B - length_B + 1).clip(1)).astype(np.int64)
    rank_BL = np.cumsum(may_BL, axis=1) - 1
    inside_BL = (rank_BL >= start_B[:, None]) & (rank_BL < (start_B + length_B)[:, None])
    stays_BL: Bool = ~may_BL | inside_BL
    return stays_BL


def shuffle_tokens(code_BL: Int64, may_BL: Bool, share: float, generator: np.random.Generator) -> Int64:
    """Return the codes with a random share of the tokens that may move put into random order among themselves."""
    moved_BL = may_BL & (generator.random(may_BL.shape) < share)
    row_N, place_N = np.nonzero(moved_BL)
    order_N = np.lexsort((generator.random(len(row_N)), row_N))
    out_BL = code_BL.copy()
    out_BL[row_N, place_N] = code_BL[row_N[order_N], place_N[order_N]]
    return out_BL


def _sparing(gone_BL: Bool, may_BL: Bool, generator: np.random.Generator) -> Bool:
    """Take one random token of each text that would lose all of them back."""
    empty_B = may_BL.any(axis=1) & ~(may_BL & ~gone_BL).any(axis=1)
    spared_B = np.where(may_BL, generator.random(may_BL.shape), -1.0).argmax(axis=1)
    gone_BL = gone_BL.copy()
    gone_BL[empty_B, spared_B[empty_B]] = False
    return gone_BL


def synonym_table(path: str) -> dict[str, tuple[str, ...]]:
    """Read a file with one group of synonyms a line, separated by commas; each word may stand for the others.

    Raises:
        ConfigError: There is no such file, or it is no UTF-8 text with at least one group.
    """
    file = Path(path).expanduser()
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"synonyms {path} is larger than {MAX_BYTES >> 20} MiB")
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        what = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "cannot be read"
        raise ConfigError(f"synonyms {path} {what}", hint="a text file with lines like film, movie, picture") from error
    table: dict[str, list[str]] = {}
    for line in lines:
        group = list(dict.fromkeys(word.strip() for word in line.split(",") if word.strip()))
        for word in group:
            table.setdefault(word.casefold(), []).extend(other for other in group if other != word)
    if not any(table.values()):
        raise ConfigError(f"synonyms {path} has no line with two words", hint="as in film, movie, picture")
    return {word: tuple(others) for word, others in table.items() if others}


def replace_words(
    texts: Sequence[str], table: Mapping[str, Sequence[str]], share: float, generator: np.random.Generator
) -> list[str]:
    """Return the texts with each word of the table replaced, with a chance, by one of its synonyms."""

    def replaced(match: re.Match[str]) -> str:
        others = table.get(match.group().casefold())
        if not others or generator.random() >= share:
            return match.group()
        return others[int(generator.integers(len(others)))]

    return [WORD.sub(replaced, text) for text in texts]
