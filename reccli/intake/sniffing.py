"""What the first lines of a text file tell: its delimiter, and whether the first row holds names."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Sequence

from reccli.errors import ConfigError

__all__ = ["DELIMITERS", "is_text", "looks_like_data", "named_delimiter", "shown_delimiter", "sniff_delimiter"]

DELIMITERS = ("\t", ",", ";", "|", "::", " ")
"""Candidates; of equally good ones the first wins, and a space only where no other does and all lines agree."""
NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " ", "colons": "::"}
SAMPLE = 100
SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".data", ".tab", ".psv")
MAGIC = (
    b"\x89PNG",
    b"PK\x03\x04",
    b"PAR1",
    b"PARE",
    b"\x7fELF",
    b"%PDF",
    b"GIF8",
    b"\xff\xd8\xff",
    b"SQLite",
    b"ARROW1",
)
CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\r\x1b")


def is_text(name: str, head: bytes) -> bool:
    """Say whether a file can be text, from its name and first bytes; a few stray control bytes leave it text."""
    if head.startswith(MAGIC):
        return False
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or name.lower().endswith(SUFFIXES):
        return True
    return len(head) - len(head.translate(None, CONTROLS)) <= len(head) * 0.02


def named_delimiter(given: str) -> str:
    """Return the delimiter that a setting means: a character, several, or a name such as `tab`.

    Raises:
        ConfigError: It is empty, a newline or a quote.
    """
    delimiter = NAMES.get(given.lower(), given)
    if not delimiter or any(c in delimiter for c in '\n\r"\0'):
        raise ConfigError(
            f"delimiter={given!r}: must be one or more characters other than a newline or a quote",
            hint="as in --sep ';' or --sep tab",
        )
    return delimiter


def shown_delimiter(delimiter: str) -> str:
    """Return the delimiter as people write it."""
    return {"\t": "tab", " ": "space"}.get(delimiter, delimiter)


def sniff_delimiter(lines: Sequence[str]) -> str:
    """Find the delimiter that cuts most lines, and the first one, into one same number of fields.

    Among delimiters that do so equally often, the one with most fields wins (a decimal comma is no delimiter).
    """
    sample = [line for line in lines if line.strip()][:SAMPLE]
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        if delimiter == " " and best_score[0] > 0:
            continue
        counts = [_fields(line, delimiter) for line in sample]
        usual = Counter(counts).most_common(1)[0][0] if counts else 1
        if usual < 2 or counts[0] < 2 or (delimiter == " " and len(set(counts)) > 1):
            continue
        share = sum(count == usual for count in counts) / len(counts) / (1 if counts[0] == usual else 2)
        score = (round(share, 1), usual)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _fields(line: str, delimiter: str) -> int:
    if len(delimiter) > 1 or '"' not in line:
        return line.count(delimiter) + 1
    return len(next(csv.reader([line], delimiter=delimiter), []))


def looks_like_data(row: Sequence[str]) -> bool:
    """Say whether a first row cannot be a header because a field of it is a number."""
    return any(_is_number(cell) for cell in row)


def _is_number(cell: str) -> bool:
    if not any(c.isdigit() for c in cell):
        return False
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
