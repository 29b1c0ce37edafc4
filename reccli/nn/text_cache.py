"""Vectors of texts kept in Parquet between runs, keyed by text and model. D embedding, T texts.

The cache may be deleted at any time: what is missing, damaged or of another model is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["cached_vectors", "text_key"]

Float32 = npt.NDArray[np.float32]


def text_key(text: str) -> bytes:
    """Return what a text is known by: 16 bytes of its digest."""
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).digest()[:16]


def cached_vectors(
    texts: Sequence[str],
    model_key: str,
    folder: Path | None,
    encode: Callable[[list[str]], Float32],
) -> Float32:
    """Return one vector per text, TD; only texts that the cache lacks are encoded, each distinct text once.

    Args:
        texts: The texts, repeats allowed.
        model_key: What the vectors depend on besides the text (weights, pooling, length).
        folder: Where caches are; None for no cache.
        encode: Makes vectors of distinct texts.
    """
    keys = [text_key(text) for text in texts]
    first = dict(zip(keys, texts, strict=True))
    file = (
        None if folder is None else folder / "texts" / f"{hashlib.sha256(model_key.encode()).hexdigest()[:32]}.parquet"
    )
    known_keys, known_TD = _read(file)
    position = {key: row for row, key in enumerate(known_keys)}
    missing = [key for key in dict.fromkeys(keys) if key not in position]
    if missing:
        made_TD = np.ascontiguousarray(encode([first[key] for key in missing]), np.float32)
        known_TD = made_TD if known_TD is None else np.concatenate([known_TD, made_TD])
        known_keys = [*known_keys, *missing]
        position |= {key: len(position) + row for row, key in enumerate(missing)}
        _write(file, known_keys, known_TD)
    if known_TD is None:
        return np.zeros((0, 0), np.float32)
    return known_TD[[position[key] for key in keys]]


def _read(file: Path | None) -> tuple[list[bytes], Float32 | None]:
    if file is None or not file.is_file():
        return [], None
    import polars as pl

    try:
        frame = pl.read_parquet(file)
        keys, vector_TD, check = frame["key"].to_list(), frame["vector"].to_numpy(), frame["check"].to_list()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError):
        return [], None
    vector_TD = np.ascontiguousarray(vector_TD, np.float32)
    # Parquet lets flipped bits through unnoticed, and nobody commits this file: each row carries its own check.
    whole = [_check(key, row) == stored for key, row, stored in zip(keys, vector_TD, check, strict=True)]
    if not all(whole):
        return [key for key, good in zip(keys, whole, strict=True) if good], vector_TD[np.array(whole, np.bool_)]
    return keys, vector_TD


def _check(key: bytes, row_D: Float32) -> bytes:
    return hashlib.blake2b(row_D.tobytes(), key=key, digest_size=8).digest()


def _write(file: Path | None, keys: Sequence[bytes], vector_TD: Float32) -> None:
    if file is None:
        return
    import polars as pl

    frame = pl.DataFrame(
        {
            "key": pl.Series(keys, dtype=pl.Binary),
            "check": pl.Series([_check(key, row) for key, row in zip(keys, vector_TD, strict=True)], dtype=pl.Binary),
            "vector": pl.Series(vector_TD, dtype=pl.Array(pl.Float32, vector_TD.shape[1])),
        }
    )
    scratch = file.with_name(f"{uuid.uuid4().hex}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(scratch, compression="zstd")
        os.replace(scratch, file)
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        with contextlib.suppress(OSError):  # a cache that cannot be written costs time, never a run
            scratch.unlink(missing_ok=True)
