"""JSON Lines as a lazy table of strings: one object a line, checked line by line where the fast way stumbles."""

from __future__ import annotations

import glob
import io
import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from reccli.errors import DataError
from reccli.intake.chunks import line_chunks
from reccli.intake.delimited import TextTable, as_utf8
from reccli.intake.encodings import MARKS, check_utf8
from reccli.intake.mending import Mended
from reccli.intake.scratch import Source, store

if TYPE_CHECKING:
    import polars as pl

__all__ = ["open_json_lines"]

LOOKED_AT = 10_000
"""Lines whose keys become the columns; keys that first appear later are not read."""
MOST_COLUMNS = 10_000
HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")
LARGEST = 2**126
"""Whole numbers from here on are carried as text; a parser has no type for them."""
MARK = MARKS[-1][0]


def open_json_lines(path: Path, *, encoding: str | None) -> TextTable:
    """Open a JSON Lines file: strings as they are, numbers, truth values and nested values as their JSON text.

    Raises:
        ConfigError: The encoding is unknown.
        DataError: No line is a JSON object, or the content is not text.
    """
    whole, encoding_found = as_utf8(path, encoding)
    names = _columns(whole, path.name)
    mended, numbers, tidy, rows = Mended(quoted=False), list[npt.NDArray[np.int64]](), True, 0
    line = 1
    for _, piece in _pieces(whole, path.name):
        good, bad = _check(piece, names)
        tidy = tidy and good is None
        count = piece.count(b"\n")
        for offset, reason, text in bad:
            mended.set_aside(line + offset, reason, text, path.name)
        kept = np.arange(count) if good is None else np.array([offset for offset, _ in good], np.int64)
        rows += len(kept)
        numbers.append(line + kept)
        line += count
    source = whole if tidy else store(_rewritten(whole, names, path.name), path.name)
    return TextTable(
        frame=_scan(source, names),
        path=path,
        found={"format": "json lines", "encoding": encoding_found, "rows": str(rows)},
        bad_rows=tuple(mended.bad),
        source=whole,
        lines=None if tidy else np.concatenate(numbers),
        rows=rows,
    )


def _scan(source: Source, names: list[str]) -> pl.LazyFrame:
    import polars as pl

    schema = dict.fromkeys(names, pl.String())
    if isinstance(source, bytes) and not source:
        return pl.LazyFrame(schema=schema)
    # polars takes a path for a pattern: without escaping, `a[1].jsonl` would read `a1.jsonl`.
    return pl.scan_ndjson(source if isinstance(source, bytes) else glob.escape(str(source)), schema=schema)


def _pieces(source: Source, name: str) -> Iterator[tuple[int, bytes]]:
    for offset, raw in line_chunks(source, name=name):
        check_utf8(raw, start=offset, name=name)
        yield offset, raw.removeprefix(MARK) if offset == 0 else raw


def _columns(source: Source, name: str) -> list[str]:
    names: dict[str, None] = {}
    lines = (line for _, piece in _pieces(source, name) for line in piece.split(b"\n") if line.strip())
    first: bytes | None = None
    for line in islice(lines, LOOKED_AT):
        first = first or line
        value = _parsed(line)
        if not _fault(value):
            names.update(dict.fromkeys(value))
    if first is None:
        raise DataError(f"{name}: no rows", hint="the file is empty")
    if not names:
        array = first.lstrip().startswith(b"[")
        what = "a JSON array" if array else "no line is a JSON object"
        raise DataError(
            f"{name}: {what}", hint="write one object a line (JSON Lines)" if array else "is this JSON Lines?"
        )
    if len(names) > MOST_COLUMNS:
        raise DataError(f"{name}: {len(names):,} keys", hint="put what belongs together in one nested value")
    return list(names)


def _parsed(line: bytes) -> Any:
    """Return the value of a line, or the reason why there is none as an exception."""
    try:
        return json.loads(line, parse_constant=_no_constant)
    except RecursionError:
        return ValueError("nested too deeply")
    except ValueError as error:
        return error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _check(piece: bytes, names: list[str]) -> tuple[list[tuple[int, bytes]] | None, list[tuple[int, str, str]]]:
    """Check lines.

    Returns:
        None where a parser takes all of them as they are, else the good lines by offset, rewritten so that it does; and
        offset, reason and text of the bad ones.
    """
    lines = piece.split(b"\n")[:-1]
    if not HALF_PAIR.search(piece) and all(lines) and _parser_agrees(piece, names[0], len(lines)):
        return None, []
    good: list[tuple[int, bytes]] = []
    bad: list[tuple[int, str, str]] = []
    for offset, line in enumerate(lines):
        if not line.strip():
            continue
        value = _parsed(line)
        reason = _fault(value)
        if reason:
            bad.append((offset, reason, line.decode("utf-8", "replace").rstrip("\r")))
        else:
            good.append((offset, _plain(value)))
    return good, bad


def _parser_agrees(piece: bytes, name: str, rows: int) -> bool:
    import polars as pl

    try:
        frame = pl.read_ndjson(io.BytesIO(piece), schema={name: pl.String()})
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return False
    return frame.height == rows


def _fault(value: Any) -> str | None:
    if isinstance(value, json.JSONDecodeError):
        return f"not JSON: {value.msg[:1].lower()}{value.msg[1:]} at column {value.colno}"
    if isinstance(value, ValueError):
        return f"not JSON: {value}"
    if not isinstance(value, dict):
        return "not a JSON object"
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair"
    return None


def _plain(value: dict[str, Any]) -> bytes:
    kept = {key: _carried(item) for key, item in value.items()}
    return json.dumps(kept, ensure_ascii=False).encode()


def _carried(item: Any) -> Any:
    if isinstance(item, int) and not isinstance(item, bool) and abs(item) >= LARGEST:
        return str(item)
    if isinstance(item, float) and item in (float("inf"), float("-inf")):
        return str(item)
    return item


def _rewritten(source: Source, names: list[str], name: str) -> Iterator[bytes]:
    for _, piece in _pieces(source, name):
        good, _bad = _check(piece, names)
        yield piece if good is None else b"".join(line + b"\n" for _, line in good)
